#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs the ONNX backend node tests with `bessemer run MODEL --case DIR`, one process a case.

    run_node_tests.py                  all cases
    run_node_tests.py --sample 200     a sample spread over all cases
    run_node_tests.py --filter lstm    cases whose name matches a regular expression
    run_node_tests.py --fallbacks      also counts the passing cases in which something runs on a reference kernel, by op
    run_node_tests.py --update         adds new passes to expected_passes.txt, which may only grow
    run_node_tests.py --target cuda:sm_80 cuda:sm_90a --emulate
                                       under the emulator with its sanitizer: how many of the passes on the CPU pass there,
                                       too, and why the others do not, by reason

Each case ends as one of
  pass       exit 0
  refused    exit 2, with a diagnostic that names a node, an op or a tensor of the model
  unnamed    exit 2, but the diagnostic names nothing
  wrong      exit 1: a different answer, or a failed run
  crash      a signal, or another exit code
  timeout
A case fails this suite when it is listed in expected_passes.txt and does not pass, or when it is neither passed nor refused.
The answers of all cases are written to build/onnx-node/results.json, of another target than the CPU to results-TARGET.json.
"""

import argparse
import collections
import concurrent.futures
import json
import pathlib
import re
import resource
import subprocess
import sys
import tempfile
import time

from make_cases import make_cases

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXPECTED = pathlib.Path(__file__).with_name("expected_passes.txt")
ACCEPTED = ("pass", "refused")
# Absolute tolerances other than ONNX's 1e-7, each with its reason.
ABSOLUTE = {
    "test_dft_inverse_opset19": "1e-6",  # the data hold the noise of an f32 transform, 2e-7, where the answer is 0
}
MEMORY_LIMIT = 12 << 30  # a case that asks for more is stopped, and not the machine


def classify(code, text, names):
    if code == 0:
        return "pass"
    if code == 1:
        return "wrong"
    if code != 2:
        return "crash"
    return "refused" if any(name in text for name in names) else "unnamed"


def run_case(directory, target, arguments):
    device = [f"--target={target}"] + (["--emulate", "--sanitize"] if arguments.emulate else [])
    command = [str(arguments.bessemer), "run", str(directory / "model.onnx"), *device, "--case",
               str(directory / "test_data_set_0"), "--rtol",
               (directory / "rtol.txt").read_text().strip(), "--atol",
               ABSOLUTE.get(directory.name, "1e-7"), *arguments.option]
    names = (directory / "names.txt").read_text().split("\n")
    start = time.monotonic()
    try:
        done = subprocess.run(command, capture_output=True, timeout=arguments.timeout, stdin=subprocess.DEVNULL)
        text = (done.stderr + done.stdout).decode(errors="replace")
        result = classify(done.returncode, text, [name for name in names if name])
        code = done.returncode
    except subprocess.TimeoutExpired as expired:
        text, result, code = ((expired.stderr or b"") + (expired.stdout or b"")).decode(errors="replace"), "timeout", None
    return {"name": directory.name, "result": result, "exit": code, "seconds": round(time.monotonic() - start, 3),
            "text": text[-2000:]}


def run_all(cases, target, arguments):
    results = []
    terminal = sys.stderr.isatty()
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for result in pool.map(lambda case: run_case(case, target, arguments), cases):
            results.append(result)
            if terminal and len(results) % 20 == 0:
                print(f"\r{len(results)}/{len(cases)}", end="", file=sys.stderr)
    if terminal:
        print("\r", end="", file=sys.stderr)
    return results


def first_error(text):
    lines = [line for line in text.splitlines() if line.strip()]
    return next((line for line in lines if "error" in line.lower()), lines[0] if lines else "(no output)")


def select(cases, arguments):
    if arguments.filter:
        cases = [case for case in cases if re.search(arguments.filter, case.name)]
    if arguments.sample and arguments.sample < len(cases):
        step = len(cases) / arguments.sample
        cases = [cases[int(i * step)] for i in range(arguments.sample)]
    return cases


def reason_of(result):
    """A refusal with the names taken out; of what a device has no code for, which ops."""
    ops = re.findall(r"expected an op that there is code for on [\w:]+, got '?([\w.]+)", result["text"])
    if ops:
        return "no code for " + ", ".join(sorted(set(ops)))
    return re.sub(r"'[^']*'|\"[^\"]*\"|\d+", "_", re.sub(r"^.*error: ", "", first_error(result["text"])))


def report_reasons(results):
    """What stands in the way most often, with cases to begin with."""
    cases = collections.defaultdict(list)
    for result in results:
        cases[reason_of(result)].append(result["name"])
    for reason, names in sorted(cases.items(), key=lambda item: -len(item[1]))[:25]:
        print(f"  {len(names):4} {reason[:120]}: {', '.join(names[:3])}")


def fallbacks_of(name, arguments):
    """The ops of a case for which there is no compiled kernel."""
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder, "report.json")
        subprocess.run([str(arguments.bessemer), "compile", str(arguments.cases / name / "model.onnx"), "-o",
                        str(report.with_name("model.bsm")), f"--report={report}"], capture_output=True,
                       timeout=arguments.timeout, check=True)
        return {fallback["op"] for fallback in json.loads(report.read_text())["fallbacks"]}


def report_fallbacks(passes, arguments):
    cases = collections.defaultdict(list)
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for name, ops in zip(passes, pool.map(lambda name: fallbacks_of(name, arguments), passes)):
            for op in ops:
                cases[op].append(name)
    print(f"{len(set().union(*cases.values()))} of {len(passes)} passing cases use a reference kernel")
    for op, names in sorted(cases.items(), key=lambda item: -len(item[1])):
        print(f"  {len(names):4} {op:20} {', '.join(names[:3])}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bessemer", type=pathlib.Path, default=ROOT / "build" / "bin" / "bessemer")
    parser.add_argument("--cases", type=pathlib.Path, default=ROOT / "build" / "onnx-node")
    parser.add_argument("--sample", type=int, metavar="N")
    parser.add_argument("--filter", metavar="REGEX")
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--reasons", action="store_true", help="count the reasons of refusals")
    parser.add_argument("--fallbacks", action="store_true", help="count what runs on reference kernels")
    parser.add_argument("--show", action="append", default=[], metavar="RESULT", help="print each case with this result")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--timeout", type=float, default=60)
    parser.add_argument("--target", nargs="+", default=["cpu"], metavar="T", help="as bessemer run has it")
    parser.add_argument("--emulate", action="store_true",
                        help="GPU kernels in the emulator, with its sanitizer; what has no tile program is refused")
    parser.add_argument("--at-least", type=float, default=0.95, metavar="SHARE",
                        help="of the passes on the CPU that must pass on another target, too")
    parser.add_argument("--option", action="append", default=[], metavar="X", help="one more argument for bessemer run")
    arguments = parser.parse_args()
    if not arguments.bessemer.exists():
        parser.error(f"{arguments.bessemer} is not built; run scripts/build")

    cases = select(make_cases(arguments.cases), arguments)
    if not cases:
        parser.error("no case is selected")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return max([judge(cases, target, arguments) for target in arguments.target])


def judge(cases, target, arguments):
    """Runs the cases and says how they ended; 1 when that is not as it should be."""
    start, on_host = time.monotonic(), target == "cpu"
    results = run_all(cases, target, arguments)
    file = "results.json" if on_host else f"results-{target.replace(':', '-')}.json"
    (arguments.cases / file).write_text(json.dumps(results, indent=1))

    on_cpu = set(EXPECTED.read_text().split()) if EXPECTED.exists() else set()
    expected = on_cpu if on_host else set()
    failures = [r for r in results if r["result"] not in ACCEPTED or (r["name"] in expected and r["result"] != "pass")]
    for result in results:
        if result in failures or result["result"] in arguments.show:
            lost = " (was a pass)" if result["name"] in expected and result["result"] != "pass" else ""
            print(f"{result['result']}: {result['name']}{lost}: {first_error(result['text'])[:300]}")
    counts = collections.Counter(r["result"] for r in results)
    if arguments.reasons:
        report_reasons([r for r in results if r["result"] in ("refused", "unnamed")])
    passes = {r["name"] for r in results if r["result"] == "pass"}
    if arguments.fallbacks:
        report_fallbacks(sorted(passes), arguments)
    if arguments.update and on_host and passes - expected:
        EXPECTED.write_text("\n".join(sorted(expected | passes)) + "\n")
        print(f"{len(passes - expected)} new passes are now expected")
    elif on_host and passes - expected:
        print(f"{len(passes - expected)} passes are not expected yet; --update lists them")
    summary = ", ".join(f"{counts[k]} {k}" for k in ("pass", "refused", "unnamed", "wrong", "crash", "timeout"))
    print(f"onnx node cases: {summary}; of {len(results)} in {time.monotonic() - start:.0f} s")
    print(f"{len(results) - len(failures)} passed, {len(failures)} failed")
    if on_host:
        return 1 if failures else 0
    common = {r["name"] for r in results} & on_cpu
    share = len(passes & common) / max(len(common), 1)
    report_reasons([r for r in results if r["name"] in common - passes])
    print(f"{target}: {len(passes & common)} of {len(common)} that pass on the CPU: {share:.1%}")
    return 1 if failures or share < arguments.at_least else 0


if __name__ == "__main__":
    sys.exit(main())
