"""The repository's own checks can fail, and say where and why."""

import pathlib
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]


def run(check, files):
    """Exit status and output of a check over a checkout that holds just `files` (path -> text)."""
    with tempfile.TemporaryDirectory() as folder:
        for path, text in files.items():
            file = pathlib.Path(folder, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        done = subprocess.run([ROOT / "tools" / check, folder], capture_output=True, text=True)
        return done.returncode, done.stdout


class Rooms(unittest.TestCase):
    def refused(self, files, *expected):
        status, output = run("check_rooms", files)
        self.assertEqual(status, 1, output)
        for text in expected:
            self.assertIn(text, output)

    def allowed(self, files):
        self.assertEqual(run("check_rooms", files), (0, ""))

    def test_a_room_may_include_the_rooms_before_it(self):
        self.allowed({"hardware/a.hpp": '#include "sim/base/units.hpp"\n#include <vector>\n', "sim/base/units.hpp": "#pragma once\n"})

    def test_a_room_may_not_include_the_rooms_after_it(self):
        self.refused({"hardware/a.hpp": '#pragma once\n#include "models/cost.hpp"\n', "models/cost.hpp": ""},
                     "hardware/a.hpp:2:", "hardware may include only hardware, sim/base of ours")

    def test_workloads_see_no_hardware_figures(self):
        catalogue = {"hardware/catalogue.hpp": "", "hardware/description.hpp": ""}
        self.refused(catalogue | {"workloads/a.cpp": '#include "hardware/catalogue.hpp"\n'}, "workloads/a.cpp:1:")
        self.allowed(catalogue | {"workloads/a.cpp": '#include "hardware/description.hpp"\n'})

    def test_nothing_includes_tools(self):
        self.refused({"scenarios/run.cpp": '#include "tools/report.hpp"\n', "tools/report.hpp": ""}, "scenarios/run.cpp:1:")

    def test_heavy_libraries_stay_in_their_cpp_files(self):
        self.refused({"sim/engine/a.hpp": "#include <simgrid/s4u.hpp>\n"}, "SimGrid in .cpp files only")
        self.allowed({"sim/engine/a.cpp": "#include <simgrid/s4u.hpp>\n"})
        self.refused({"models/a.hpp": "#include <Eigen/Dense>\n"}, "Eigen in .cpp files only")
        self.allowed({"models/a.cpp": "#include <Eigen/Dense>\n"})

    def test_models_know_no_engine_no_files_and_no_clocks(self):
        self.refused({"models/a.cpp": "#include <simgrid/s4u.hpp>\n#include <fstream>\n#include <chrono>\n"},
                     "may not include SimGrid", "a.cpp:2:", "a.cpp:3:")

    def test_scenarios_do_no_formatting(self):
        self.refused({"scenarios/run.cpp": "#include <iostream>\n"}, "formats nothing")

    def test_a_test_has_a_namespace_named_after_its_file(self):
        self.refused({"tests/unit/a_test.cpp": "namespace orrery {\n"}, "tests/unit/a_test.cpp:1:", "namespace orrery::a_test {")
        self.allowed({"tests/unit/a_test.cpp": "namespace orrery::a_test {\n"})

    def test_an_include_that_names_no_file_is_said(self):
        self.refused({"tools/main.cpp": '#include "report.hpp"\n', "tools/report.hpp": ""}, "written from the top of the checkout")


class ModelHeaders(unittest.TestCase):
    COMPLETE = "// What: a\n// Formula: b\n// Source: c\n// Units: d\n// Valid range: e\n// Known error: f\n#pragma once\n"

    def test_a_complete_header_passes(self):
        self.assertEqual(run("check_model_headers", {"models/kernel_cost.hpp": self.COMPLETE}), (0, ""))

    def test_a_missing_heading_is_named(self):
        text = self.COMPLETE.replace("// Source: c\n", "")
        status, output = run("check_model_headers", {"models/power_device.hpp": text})
        self.assertEqual(status, 1)
        self.assertIn("models/power_device.hpp:1:", output)
        self.assertIn("missing: Source", output)

    def test_headings_below_the_opening_comment_do_not_count(self):
        status, _ = run("check_model_headers", {"models/kernel_cost.hpp": "#pragma once\n" + self.COMPLETE})
        self.assertEqual(status, 1)

    def test_other_headers_need_none(self):
        self.assertEqual(run("check_model_headers", {"models/cost.hpp": "#pragma once\n"}), (0, ""))


if __name__ == "__main__":
    unittest.main()
