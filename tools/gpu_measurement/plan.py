"""What is measured, and the form of the tables: everything that needs no torch."""

import csv
import pathlib
from dataclasses import dataclass

# The first four are the columns of models/calibration/kernels/*.csv, so that a measured table can be laid beside them and fitted.
SCHEMAS = {
    "matmul": "source,device,precision,batch,m,n,k,time_us",
    "attention": "source,device,kernel,precision,pass,batch,queries,keys,heads,kv_heads,head_dim,time_us",
    "streaming": "source,device,op,precision,bytes_read,bytes_written,flops,time_us",
    "collective": "source,device,kind,ranks,nodes,bytes,time_us",
    "launch": "source,device,quantity,time_us",
    "training_step": "source,device,precision,layers,hidden,heads,vocabulary,micro_batch,sequence,part,time_us",
    "inference_step": "source,device,precision,layers,hidden,heads,vocabulary,batch,context,part,mode,time_us",
    "power": "source,device,load,power_w,sm_clock_mhz,memory_clock_mhz,temperature_c,samples",
}

ELEMENT_BYTES = {"fp8": 1, "bf16": 2, "fp16": 2, "tf32": 4, "fp32": 4}


@dataclass(frozen=True)
class MatmulCase:
    """batch x (m x k) * (k x n); with batch 1 the second operand is stored as a linear layer's weight, n x k."""

    precision: str
    batch: int
    m: int
    n: int
    k: int

    @property
    def bytes(self):
        return self.batch * (self.m * self.k + self.k * self.n + self.m * self.n) * ELEMENT_BYTES[self.precision]


@dataclass(frozen=True)
class AttentionCase:
    """One layer's attention. prefill and backward are causal with queries == keys; decode has one query per sequence."""

    kernel: str  # flash_attn, or unfused: score product, softmax, value product
    precision: str
    direction: str  # the column "pass": prefill, backward (of that prefill), decode
    batch: int
    queries: int
    keys: int
    heads: int
    kv_heads: int
    head_dim: int


@dataclass(frozen=True)
class StreamingCase:
    """An operator that passes over rows x columns elements. Bytes and FLOP are those of the operator, whatever kernels run it."""

    op: str
    precision: str
    rows: int
    columns: int

    @property
    def elements(self):
        return self.rows * self.columns

    @property
    def bytes_read(self):
        return self.elements * READ_BYTES.get(self.op, ELEMENT_BYTES[self.precision])

    @property
    def bytes_written(self):
        return self.elements * WRITTEN_BYTES.get(self.op, ELEMENT_BYTES[self.precision])

    @property
    def flops(self):
        return self.elements * ELEMENT_FLOPS[self.op]


# Per element, where it is not one element of the case's precision. cast: fp32 to bf16. adam: fp32 parameter, gradient and two moments.
# cross_entropy: the log-probabilities are written for the backward pass.
READ_BYTES = {"add": 4, "cast": 4, "adam": 16}
WRITTEN_BYTES = {"cast": 2, "adam": 12}
ELEMENT_FLOPS = {"copy": 0, "cast": 0, "add": 1, "gelu": 8, "softmax": 5, "layer_norm": 7, "rms_norm": 5, "adam": 12, "cross_entropy": 5}
STREAMING_PRECISION = {"cast": "fp32", "adam": "fp32", "cross_entropy": "fp32"}


@dataclass(frozen=True)
class CollectiveCase:
    """`bytes` is the full buffer: held by each rank before an all-reduce, reduce-scatter or all-to-all, and after an all-gather."""

    kind: str
    ranks: int
    bytes: int


@dataclass(frozen=True)
class ModelCase:
    """A small GPT: enough layers to see the pattern, few enough to fit anywhere."""

    layers: int = 4
    hidden: int = 4096
    heads: int = 32
    vocabulary: int = 51200
    precision: str = "bf16"
    batches: tuple = (1, 4)  # of a training step; the sequence is `sequence`
    sequence: int = 2048
    decode_batches: tuple = (1, 16, 64)
    contexts: tuple = (512, 4096)


def matmul_cases(quick=False):
    if quick:
        return [MatmulCase(p, b, 64, 64, 128) for p in ("bf16", "fp32") for b in (1, 2)]
    # Linear layers of models from 1B to 175B and their tensor-parallel shards: (n, k).
    layers = [(2048, 2048), (4096, 4096), (12288, 4096), (4096, 11008), (28672, 8192), (8192, 28672), (12288, 12288), (1536, 12288)]
    rows = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384]
    cases = [MatmulCase(p, 1, m, n, k) for p in ("bf16", "fp8") for n, k in layers for m in rows]
    cases += [MatmulCase(p, 1, m, n, k) for p in ("fp16", "tf32", "fp32") for n, k in layers[1:4] for m in rows[::3]]
    # Squares find the peak; odd sizes show what tiles cost at their edges.
    cases += [MatmulCase(p, 1, s, s, s) for p in ("bf16", "fp16", "tf32", "fp32", "fp8") for s in (512, 1024, 2048, 4096, 8192, 16384)]
    cases += [MatmulCase("bf16", 1, m, n, 4096) for m in (72, 136, 1032, 4104) for n in (1096, 4104)]
    # Score and value products of unfused attention.
    cases += [MatmulCase("bf16", b, s, n, k) for b in (16, 64, 256) for s in (512, 2048) for n, k in ((s, 128), (128, s))]
    return list(dict.fromkeys(cases))


def attention_cases(quick=False):
    if quick:
        shapes = [("flash_attn", "prefill"), ("flash_attn", "backward"), ("unfused", "prefill"), ("unfused", "backward")]
        return [AttentionCase(k, "fp32", d, 1, 32, 32, 2, 2, 16) for k, d in shapes] + [
            AttentionCase("flash_attn", "fp32", "decode", 2, 1, 64, 2, 2, 16)]
    cases = []
    for heads, kv_heads, dim in ((32, 32, 128), (32, 8, 128), (8, 1, 128), (16, 16, 64)):
        for batch, length in ((1, 128), (1, 512), (1, 2048), (4, 2048), (1, 8192), (8, 1024), (1, 32768)):
            for direction in ("prefill", "backward"):
                cases.append(AttentionCase("flash_attn", "bf16", direction, batch, length, length, heads, kv_heads, dim))
        for batch in (1, 4, 16, 64, 256):
            for keys in (128, 512, 2048, 8192):
                cases.append(AttentionCase("flash_attn", "bf16", "decode", batch, 1, keys, heads, kv_heads, dim))
    for batch, length in ((1, 512), (1, 1024), (1, 2048), (4, 2048), (1, 4096)):
        for direction in ("prefill", "backward"):
            cases.append(AttentionCase("unfused", "bf16", direction, batch, length, length, 32, 32, 128))
    return cases


def streaming_cases(quick=False):
    cases = []
    for op in ELEMENT_FLOPS:
        precision = STREAMING_PRECISION.get(op, "fp32" if quick else "bf16")
        columns = {"cross_entropy": 50304}.get(op, 4096)
        rows = (4,) if quick else (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536)
        if op == "cross_entropy" and not quick:
            rows = (16, 256, 2048, 8192)
        cases += [StreamingCase(op, precision, count, columns) for count in rows]
    return cases


def collective_cases(devices, quick=False):
    kinds = ("all_reduce",) if quick else ("all_reduce", "all_gather", "reduce_scatter", "all_to_all", "send_recv")
    exponents = (10, 16) if quick else range(10, 31, 2)
    counts = [n for n in (2, 4, 8, 16) if n <= devices]
    return [CollectiveCase(kind, ranks, 2**e) for ranks in counts for kind in kinds for e in exponents if kind != "send_recv" or ranks == 2]


def model_case(quick=False):
    if quick:
        return ModelCase(2, 64, 4, 512, "fp32", (1,), 32, (2,), (16,))
    return ModelCase()


class Table:
    """A CSV that is written row by row, so that an interrupted run keeps what it measured."""

    def __init__(self, folder, name, source, device):
        self.columns = SCHEMAS[name].split(",")
        self.file = open(pathlib.Path(folder) / f"{name}.csv", "w", newline="", encoding="utf-8")
        self.writer = csv.writer(self.file, lineterminator="\n")
        self.writer.writerow(self.columns)
        self.common = [source, device]
        self.rows = 0

    def add(self, *values):
        row = self.common + [f"{value:.6g}" if isinstance(value, float) else str(value) for value in values]
        if len(row) != len(self.columns):
            raise ValueError(f"{self.file.name}: {len(row)} values for {len(self.columns)} columns")
        self.writer.writerow(row)
        self.file.flush()
        self.rows += 1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
