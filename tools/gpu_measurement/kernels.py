"""Single kernels: matrix products, attention, streaming operators, launches. Each function returns times in microseconds."""

import contextlib
import math
import time

import torch
import torch.nn.functional as F

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "tf32": torch.float32, "fp32": torch.float32}


class Unavailable(Exception):
    """The case cannot run here; the text says why."""


def random_tensor(timer, *shape, dtype=torch.float32, **options):
    return torch.randn(*shape, device=timer.device, dtype=dtype, **options)


def time_matmul(timer, case):
    torch.set_float32_matmul_precision("high" if case.precision == "tf32" else "highest")
    if case.precision == "tf32" and not timer.gpu:
        raise Unavailable("tf32 needs a GPU")
    make = _fp8_product if case.precision == "fp8" else _product
    return timer.time_us([make(timer, case) for _ in range(timer.sets(case.bytes))])


def _product(timer, case):
    dtype = DTYPES[case.precision]
    if case.batch == 1:
        left, weight = random_tensor(timer, case.m, case.k, dtype=dtype), random_tensor(timer, case.n, case.k, dtype=dtype)
        out = torch.empty(case.m, case.n, device=timer.device, dtype=dtype)
        return lambda: torch.mm(left, weight.t(), out=out)
    left = random_tensor(timer, case.batch, case.m, case.k, dtype=dtype)
    right = random_tensor(timer, case.batch, case.k, case.n, dtype=dtype)
    out = torch.empty(case.batch, case.m, case.n, device=timer.device, dtype=dtype)
    return lambda: torch.bmm(left, right, out=out)


def _fp8_product(timer, case):
    if not timer.gpu or not hasattr(torch, "float8_e4m3fn") or not hasattr(torch, "_scaled_mm"):
        raise Unavailable("this torch or device has no fp8 product")
    if case.batch > 1 or case.n % 16 or case.k % 16:
        raise Unavailable("fp8 products are single, with n and k multiples of 16")
    left = random_tensor(timer, case.m, case.k).to(torch.float8_e4m3fn)
    weight = random_tensor(timer, case.n, case.k).to(torch.float8_e4m3fn)
    scale = torch.ones((), device=timer.device)
    return lambda: torch._scaled_mm(left, weight.t(), scale_a=scale, scale_b=scale, out_dtype=torch.bfloat16, use_fast_accum=True)


def time_attention(timer, case):
    operand_bytes = 4 * case.batch * case.head_dim * (case.queries * case.heads + case.keys * case.kv_heads)
    backward = case.direction == "backward"
    # Every set keeps what its forward pass saves; training shapes are large, so that a few sets overflow the cache.
    count = min(timer.sets(operand_bytes), 4) if backward else timer.sets(operand_bytes)
    operands = [_attention_operands(timer, case, backward) for _ in range(count)]
    with _only_flash(timer) if case.kernel == "flash_attn" else contextlib.nullcontext():
        forward = [_forward(case, *item) for item in operands]
        if not backward:
            with torch.no_grad():
                return timer.time_us(forward)
        both = [_forward_and_backward(call, item) for call, item in zip(forward, operands)]
        # The backward pass cannot be captured without its forward pass: it is the difference.
        difference = timer.time_us(both) - timer.time_us(forward)
        if difference <= 0:
            raise Unavailable("the backward pass is lost in the spread of the forward pass")
        return difference


def _attention_operands(timer, case, gradient):
    def tensor(length, heads):
        return random_tensor(timer, case.batch, heads, length, case.head_dim, dtype=DTYPES[case.precision], requires_grad=gradient)

    return tensor(case.queries, case.heads), tensor(case.keys, case.kv_heads), tensor(case.keys, case.kv_heads)


@contextlib.contextmanager
def _only_flash(timer):
    if not timer.gpu:
        yield
        return
    from torch.nn.attention import SDPBackend, sdpa_kernel

    with sdpa_kernel([SDPBackend.FLASH_ATTENTION]):
        yield


def _forward(case, query, key, value):
    causal = case.queries == case.keys
    if case.kernel == "flash_attn":
        options = {} if case.heads == case.kv_heads else {"enable_gqa": True}
        return lambda: F.scaled_dot_product_attention(query, key, value, is_causal=causal, **options)
    if case.heads != case.kv_heads:
        raise Unavailable("unfused attention is measured with as many key as query heads")
    batches = case.batch * case.heads
    mask = torch.full((case.queries, case.keys), -math.inf, device=query.device, dtype=query.dtype).triu(1)
    scale = case.head_dim**-0.5

    def unfused():
        left, keys = query.reshape(batches, case.queries, -1), key.reshape(batches, case.keys, -1)
        scores = torch.baddbmm(mask.expand(batches, -1, -1), left, keys.transpose(1, 2), alpha=scale)
        return torch.bmm(torch.softmax(scores, -1), value.reshape(batches, case.keys, -1))

    return unfused


def _forward_and_backward(forward, operands):
    with torch.no_grad():
        gradient = torch.randn_like(forward())
    return lambda: torch.autograd.grad(forward(), operands, gradient)


def time_streaming(timer, case):
    return timer.time_us([_streaming(timer, case) for _ in range(timer.sets(case.bytes_read + case.bytes_written))])


def _streaming(timer, case):
    dtype = DTYPES[case.precision]
    if case.op == "adam":
        return _adam(timer, case)
    x = random_tensor(timer, case.rows, case.columns, dtype=dtype)
    weight = torch.ones(case.columns, device=timer.device, dtype=dtype)
    if case.op == "rms_norm" and not hasattr(F, "rms_norm"):
        raise Unavailable("this torch has no rms_norm")
    if case.op == "copy":
        out = torch.empty_like(x)
        return lambda: out.copy_(x)
    if case.op == "add":
        y = torch.randn_like(x)
        return lambda: x + y
    if case.op == "cross_entropy":
        target = torch.randint(case.columns, (case.rows,), device=timer.device)
        return lambda: F.cross_entropy(x, target)
    return {
        "cast": lambda: x.to(torch.bfloat16),
        "gelu": lambda: F.gelu(x, approximate="tanh"),
        "softmax": lambda: torch.softmax(x, -1),
        "layer_norm": lambda: F.layer_norm(x, (case.columns,), weight, weight),
        "rms_norm": lambda: F.rms_norm(x, (case.columns,), weight),
    }[case.op]


def _adam(timer, case):
    parameter = torch.nn.Parameter(random_tensor(timer, case.rows, case.columns))
    parameter.grad = torch.randn_like(parameter)
    options = {"fused": True, "capturable": True} if timer.gpu else {}
    return torch.optim.AdamW([parameter], lr=1e-4, **options).step


def time_launch(timer):
    """Name -> time: what the host pays for a kernel, and what the device needs at least for one."""
    x = torch.zeros(1, device=timer.device)
    launches = 500  # fewer than the depth of the launch queue, so that the host never waits for the device
    for _ in range(launches):
        x.add_(1)
    samples = []
    for _ in range(max(timer.repeats, 5)):
        timer.synchronize()
        begin = time.perf_counter()
        for _ in range(launches):
            x.add_(1)
        samples.append((time.perf_counter() - begin) * 1e6 / launches)
    times = {"host_per_kernel": sorted(samples)[len(samples) // 2]}
    times["eager_per_kernel"] = timer.time_us([lambda: x.add_(1)], graph=False)
    if timer.gpu:
        times["graph_per_kernel"] = timer.time_us([lambda: x.add_(1)])
    return times
