"""The parts of tools/measure_gpu.py that need no torch: its plan, its tables, and what it says when it cannot run."""

import csv
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
COMMAND = ROOT / "tools" / "measure_gpu.py"
sys.path.insert(0, str(ROOT / "tools"))
sys.dont_write_bytecode = True

from gpu_measurement import plan  # noqa: E402


def run(*arguments, hide_torch=False):
    # A module named torch that cannot be imported stands for a Python without it.
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "torch.py").write_text("raise ImportError('hidden')\n")
        environment = {"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"} | ({"PYTHONPATH": folder} if hide_torch else {})
        return subprocess.run([sys.executable, COMMAND, *arguments], capture_output=True, text=True, env=environment)


class Plan(unittest.TestCase):
    def test_the_columns_are_those_of_the_calibration_tables(self):
        for name in ("matmul", "attention", "streaming", "collective"):
            table = ROOT / "models" / "calibration" / "kernels" / f"{name}.csv"
            with self.subTest(table=name), open(table, encoding="utf-8") as file:
                self.assertEqual(file.readline().rstrip("\n"), plan.SCHEMAS[name])

    def test_no_case_is_measured_twice(self):
        for cases in (plan.matmul_cases(), plan.attention_cases(), plan.streaming_cases(), plan.collective_cases(8)):
            self.assertEqual(len(cases), len(set(cases)))

    def test_the_bytes_of_streaming_operators(self):
        adam = plan.StreamingCase("adam", "fp32", 2, 3)
        self.assertEqual((adam.bytes_read, adam.bytes_written), (6 * 16, 6 * 12))
        add = plan.StreamingCase("add", "bf16", 2, 3)
        self.assertEqual((add.bytes_read, add.bytes_written, add.flops), (6 * 4, 6 * 2, 6))

    def test_collectives_need_two_devices(self):
        self.assertEqual(plan.collective_cases(1), [])
        self.assertEqual({case.ranks for case in plan.collective_cases(4)}, {2, 4})


class Tables(unittest.TestCase):
    def test_rows_carry_source_and_device(self):
        with tempfile.TemporaryDirectory() as folder:
            with plan.Table(folder, "matmul", "here, today", "x") as table:
                table.add("bf16", 1, 2, 3, 4, 12.3456789)
            with open(pathlib.Path(folder, "matmul.csv"), newline="", encoding="utf-8") as file:
                rows = list(csv.reader(file))
        self.assertEqual(rows[1], ["here, today", "x", "bf16", "1", "2", "3", "4", "12.3457"])

    def test_a_row_of_the_wrong_length_is_refused(self):
        with tempfile.TemporaryDirectory() as folder, plan.Table(folder, "matmul", "s", "d") as table:
            with self.assertRaises(ValueError):
                table.add("bf16", 1)


class Command(unittest.TestCase):
    def test_the_plan_is_printed_without_torch(self):
        done = run("--list", "--only", "matmul", hide_torch=True)
        self.assertEqual(done.returncode, 0)
        self.assertEqual(len(done.stdout.splitlines()), 1 + len(plan.matmul_cases()))

    def test_a_missing_torch_is_said(self):
        with tempfile.TemporaryDirectory() as folder:
            done = run("--out", folder, hide_torch=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn("PyTorch is not installed", done.stderr)

    def test_the_cpu_is_only_a_check(self):
        done = run("--out", "x", "--device", "cpu")
        self.assertEqual(done.returncode, 2)
        self.assertIn("add --quick", done.stderr)


if __name__ == "__main__":
    unittest.main()
