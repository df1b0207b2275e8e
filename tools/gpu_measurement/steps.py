"""A small GPT: one training step in its parts, prefill and decode; and power and clocks under steady loads."""

import statistics
import subprocess
import threading
import time

import torch
import torch.nn.functional as F

from gpu_measurement.kernels import DTYPES, Unavailable
from gpu_measurement.timing import SMI_FIELDS, smi_selector


class Layer(torch.nn.Module):
    def __init__(self, hidden, heads):
        super().__init__()
        self.heads = heads
        self.attention_norm, self.ffn_norm = torch.nn.LayerNorm(hidden), torch.nn.LayerNorm(hidden)
        self.qkv, self.projection = torch.nn.Linear(hidden, 3 * hidden), torch.nn.Linear(hidden, hidden)
        self.up, self.down = torch.nn.Linear(hidden, 4 * hidden), torch.nn.Linear(4 * hidden, hidden)

    def forward(self, x, cache=None, position=0):
        """With a cache (keys, values), the new tokens start at `position` and attend to all before them."""
        batch, length, hidden = x.shape
        query, key, value = self.qkv(self.attention_norm(x)).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        if cache is not None:
            cache[0][:, :, position : position + length] = key
            cache[1][:, :, position : position + length] = value
            key, value = cache[0][:, :, : position + length], cache[1][:, :, : position + length]
        attended = F.scaled_dot_product_attention(query, key, value, is_causal=length > 1)
        x = x + self.projection(attended.transpose(1, 2).reshape(batch, length, hidden))
        return x + self.down(F.gelu(self.up(self.ffn_norm(x)), approximate="tanh"))


class Gpt(torch.nn.Module):
    def __init__(self, case):
        super().__init__()
        self.embedding = torch.nn.Embedding(case.vocabulary, case.hidden)
        self.layers = torch.nn.ModuleList(Layer(case.hidden, case.heads) for _ in range(case.layers))
        self.norm = torch.nn.LayerNorm(case.hidden)

    def forward(self, tokens, caches=None, position=0):
        x = self.embedding(tokens)
        for index, layer in enumerate(self.layers):
            x = layer(x, caches[index] if caches else None, position)
        if caches:
            x = x[:, -1:]
        return F.linear(self.norm(x), self.embedding.weight)


def build(timer, case):
    torch.manual_seed(0)
    return Gpt(case).to(device=timer.device, dtype=DTYPES[case.precision])


class Stopwatch:
    """Times consecutive parts of eager work: by events on a GPU, by the host's clock elsewhere."""

    def __init__(self, timer):
        self.timer, self.marks = timer, []

    def mark(self):
        if self.timer.gpu:
            self.marks.append(torch.cuda.Event(enable_timing=True))
            self.marks[-1].record()
        else:
            self.marks.append(time.perf_counter())

    def parts_us(self):
        self.timer.synchronize()
        pairs = zip(self.marks, self.marks[1:])
        return [a.elapsed_time(b) * 1e3 if self.timer.gpu else (b - a) * 1e6 for a, b in pairs]


def training_step(timer, case, batch):
    """part -> time of an eager step (no graphs): forward with loss, backward, optimizer (fused Adam where there is one), and all three."""
    model = build(timer, case)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, **({"fused": True} if timer.gpu else {}))
    tokens = torch.randint(case.vocabulary, (batch, case.sequence + 1), device=timer.device)
    samples = []
    for _ in range(timer.repeats + 3):
        watch = Stopwatch(timer)
        watch.mark()
        logits = model(tokens[:, :-1])
        loss = F.cross_entropy(logits.float().view(-1, case.vocabulary), tokens[:, 1:].reshape(-1))
        watch.mark()
        loss.backward()
        watch.mark()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        watch.mark()
        samples.append(watch.parts_us())
    samples = samples[3:]
    parts = {name: statistics.median(sample[i] for sample in samples) for i, name in enumerate(("forward", "backward", "optimizer"))}
    return parts | {"step": statistics.median(sum(sample) for sample in samples)}


def inference_step(timer, case, batch, context):
    """(part, mode) -> time: prefill of `context` tokens, and one decode iteration after it, launched eagerly and from a graph."""
    model = build(timer, case).eval()
    shape = (batch, case.heads, context + 1, case.hidden // case.heads)
    caches = [tuple(torch.randn(shape, device=timer.device, dtype=DTYPES[case.precision]) for _ in range(2)) for _ in range(case.layers)]
    prompt = torch.randint(case.vocabulary, (batch, context), device=timer.device)
    last = prompt[:, -1:].contiguous()
    times = {}
    with torch.no_grad():
        for mode in ("eager", "graph") if timer.gpu else ("eager",):
            times["prefill", mode] = timer.time_us([lambda: model(prompt, caches)], graph=mode == "graph")
            times["decode", mode] = timer.time_us([lambda: model(last, caches, context)], graph=mode == "graph")
    return times


LOAD_SECONDS = 6.0
SETTLE_SECONDS = 2.0  # after a load starts, before its samples count


def power_under_load(timer):
    """load -> means of nvidia-smi's power, clocks and temperature, and the number of samples."""
    if not timer.gpu:
        raise Unavailable("power needs a GPU")
    size = 8192
    left, right = (torch.randn(size, size, device=timer.device, dtype=torch.bfloat16) for _ in range(2))
    product = torch.empty_like(left)
    source = torch.randn(1 << 28, device=timer.device)
    copied = torch.empty_like(source)
    query = torch.randn(4, 32, 4096, 128, device=timer.device, dtype=torch.bfloat16)
    loads = {
        "idle": None,
        "matmul_bf16": lambda: torch.mm(left, right, out=product),
        "copy": lambda: copied.copy_(source),
        "attention_bf16": lambda: F.scaled_dot_product_attention(query, query, query, is_causal=True),
    }
    results = {}
    for name, load in loads.items():
        samples = _sampled(timer, load)
        if samples:
            results[name] = tuple(statistics.fmean(column) for column in zip(*samples)) + (len(samples),)
    if not results:
        raise Unavailable("nvidia-smi is not there, or reports no power")
    return results


def _sampled(timer, load):
    """Rows of SMI_FIELDS, taken every 100 ms while `load` runs over and over."""
    command = ["nvidia-smi", *smi_selector(timer.device), f"--query-gpu={SMI_FIELDS}", "--format=csv,noheader,nounits", "-lms", "100"]
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    except OSError:
        return []
    rows = []

    def read():
        for line in process.stdout:
            rows.append((time.monotonic(), line))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    begin = time.monotonic()
    while time.monotonic() - begin < LOAD_SECONDS:
        if load is None:
            time.sleep(0.1)
            continue
        for _ in range(20):
            load()
        timer.synchronize()
    end = time.monotonic()
    process.terminate()
    process.wait()
    reader.join()
    return [row for at, line in rows if begin + SETTLE_SECONDS <= at <= end and (row := _numbers(line))]


def _numbers(line):
    try:
        return [float(word) for word in line.split(",")]
    except ValueError:
        return None  # a field that this device does not report
