"""How a kernel is timed, and what is known of the machine.

On a GPU the calls are captured into a CUDA (HIP) graph, so that no host time is in the result, and the graph is replayed between two events;
the median of the repeats, divided by the calls in the graph, is the time of one call in a stream of such calls. Calls rotate over enough sets
of operands to overflow the last-level cache, so that every call finds its operands in memory, as it would in a real step. Operands are random:
zeros draw less power and run faster. Where a call cannot be captured, the same calls are launched one by one."""

import math
import statistics
import subprocess
import time

import torch

TARGET_US = 2000.0  # of one timed replay: long against the events' resolution
MAX_CALLS = 256
MAX_SETS = 48
ASSUMED_CACHE = 64 << 20  # where the driver does not tell the size of the last-level cache


class Timer:
    def __init__(self, device, repeats):
        self.device = torch.device(device)
        self.repeats = repeats
        self.gpu = self.device.type == "cuda"
        self.uncaptured = 0
        if self.gpu:
            torch.cuda.set_device(self.device)
        properties = torch.cuda.get_device_properties(self.device) if self.gpu else None
        self.cache = getattr(properties, "L2_cache_size", 0) or ASSUMED_CACHE

    def sets(self, operand_bytes):
        """How many operand sets overflow the cache three times."""
        return max(1, min(MAX_SETS, math.ceil(3 * self.cache / max(operand_bytes, 1)))) if self.gpu else 1

    def synchronize(self):
        if self.gpu:
            torch.cuda.synchronize(self.device)

    def time_us(self, variants, graph=True):
        """Median time of one call; `variants` do the same work on different operands and return their output."""
        if not self.gpu:
            return self._host_clock(variants)
        stream = torch.cuda.Stream(self.device)
        stream.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(stream):
            run = self._runner(variants, 1)
            for _ in range(3):
                run()
            once = self._events(run) / len(variants)
            rounds = max(1, min(MAX_CALLS // len(variants), math.ceil(TARGET_US / max(once * len(variants), 1e-3))))
            del run  # and with it the outputs: a graph has memory of its own
        torch.cuda.synchronize(self.device)
        replay = self._capture(variants, rounds, stream) if graph else None
        if replay is None:
            replay = self._runner(variants, rounds)
        with torch.cuda.stream(stream):
            replay()
            samples = [self._events(replay) for _ in range(self.repeats)]
        torch.cuda.synchronize(self.device)
        return statistics.median(samples) / (rounds * len(variants))

    @staticmethod
    def _runner(variants, rounds):
        outputs = [None] * len(variants)  # kept, so that the allocator gives every set its own output

        def run():
            for _ in range(rounds):
                for index, variant in enumerate(variants):
                    outputs[index] = variant()

        return run

    def _capture(self, variants, rounds, stream):
        graph = torch.cuda.CUDAGraph()
        run = self._runner(variants, rounds)
        try:
            with torch.cuda.graph(graph, stream=stream):
                run()
        except RuntimeError as error:
            if "out of memory" in str(error):
                raise
            torch.cuda.synchronize(self.device)
            self.uncaptured += 1
            return None

        def replay():
            graph.replay()
            return run  # keeps the outputs, which the graph writes to, alive

        return replay

    def _events(self, run):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        run()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) * 1e3

    def _host_clock(self, variants):
        samples = []
        for _ in range(self.repeats + 1):
            begin = time.perf_counter()
            for variant in variants:
                variant()
            samples.append((time.perf_counter() - begin) * 1e6 / len(variants))
        return statistics.median(samples[1:])


SMI_FIELDS = "power.draw,clocks.sm,clocks.mem,temperature.gpu"


def smi(device, *arguments):
    """nvidia-smi's answer about the device, or None where there is no nvidia-smi or it does not know the field."""
    command = ["nvidia-smi", *smi_selector(device), *arguments, "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def smi_selector(device):
    # The uuid, since CUDA_VISIBLE_DEVICES may renumber what torch sees.
    uuid = getattr(torch.cuda.get_device_properties(device), "uuid", None)
    return ["-i", f"GPU-{uuid}" if uuid else str(torch.device(device).index or 0)]


def describe_machine(device):
    """Facts for machine.yaml: key -> text."""
    facts = {"torch": torch.__version__}
    if torch.device(device).type != "cuda":
        return facts | {"device": "cpu"}
    properties = torch.cuda.get_device_properties(device)
    facts |= {"device": properties.name, "devices": str(torch.cuda.device_count())}
    facts |= {"memory": f"{properties.total_memory} B", "multiprocessors": str(properties.multi_processor_count)}
    if getattr(properties, "L2_cache_size", 0):
        facts["last_level_cache"] = f"{properties.L2_cache_size} B"
    for key, version in (("cuda", torch.version.cuda), ("hip", getattr(torch.version, "hip", None))):
        if version:
            facts[key] = version
    questions = {"driver": ("driver_version", ""), "power_limit": ("power.limit", " W"), "maximum_sm_clock": ("clocks.max.sm", " MHz"),
                 "maximum_memory_clock": ("clocks.max.mem", " MHz"), "ecc": ("ecc.mode.current", "")}
    for key, (field, unit) in questions.items():
        answer = smi(device, f"--query-gpu={field}")
        if answer:
            facts[key] = answer + unit
    return facts
