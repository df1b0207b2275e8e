"""Collectives inside one node: one process per device, NCCL (RCCL) on GPUs and Gloo on the CPU."""

import os
import socket
import statistics
import time

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

CALLS = 20  # per timed sample


def measure(cases, device_type, repeats, report):
    """Runs `cases` of one number of ranks and calls report(case, time in us) for each."""
    ranks = cases[0].ranks
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    context = mp.get_context("spawn")
    queue = context.SimpleQueue()
    group = mp.spawn(_worker, args=(ranks, port, cases, device_type, repeats, queue), nprocs=ranks, join=False)
    try:
        running = True
        while running:
            running = not group.join(timeout=0.2)
            while not queue.empty():
                report(*queue.get())
    except (mp.ProcessRaisedException, mp.ProcessExitedException) as error:
        raise RuntimeError(str(error).strip().splitlines()[-1]) from error


def _worker(rank, ranks, port, cases, device_type, repeats, queue):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    gpu = device_type == "cuda"
    if gpu:
        torch.cuda.set_device(rank)
    dist.init_process_group("nccl" if gpu else "gloo", rank=rank, world_size=ranks)
    device = torch.device("cuda", rank) if gpu else torch.device("cpu")
    for case in cases:
        call = _collective(case, rank, ranks, device)
        slowest = torch.tensor(_median_us(call, gpu, repeats), device=device)
        dist.all_reduce(slowest, op=dist.ReduceOp.MAX)
        if rank == 0:
            queue.put((case, float(slowest)))
    dist.destroy_process_group()


def _collective(case, rank, ranks, device):
    dtype, size = (torch.bfloat16, 2) if device.type == "cuda" else (torch.float32, 4)  # older Gloo cannot add bf16
    elements = max(case.bytes // size // ranks * ranks, ranks)
    full = torch.zeros(elements, device=device, dtype=dtype)
    share = torch.zeros(elements // ranks, device=device, dtype=dtype)
    if case.kind == "all_reduce":
        return lambda: dist.all_reduce(full)
    if case.kind == "all_gather":
        return lambda: dist.all_gather_into_tensor(full, share)
    if case.kind == "reduce_scatter":
        return lambda: dist.reduce_scatter_tensor(share, full)
    if case.kind == "all_to_all":
        received = torch.empty_like(full)
        return lambda: dist.all_to_all_single(received, full)
    return (lambda: dist.send(full, 1)) if rank == 0 else (lambda: dist.recv(full, 0))


def _median_us(call, gpu, repeats):
    for _ in range(5):
        call()
    samples = []
    for _ in range(repeats):
        dist.barrier()
        if gpu:
            torch.cuda.synchronize()
            start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            start.record()
        begin = time.perf_counter()
        for _ in range(CALLS):
            call()
        if gpu:
            end.record()
            end.synchronize()
            samples.append(start.elapsed_time(end) * 1e3 / CALLS)
        else:
            samples.append((time.perf_counter() - begin) * 1e6 / CALLS)
    return statistics.median(samples)
