#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What can be said of the cases of bench/gpu where no GPU is at hand: nothing here is timed.

    pip install --target /tmp/nvdisasm nvidia-cuda-nvdisasm
    bench/gpu/predict.py --nvdisasm "$(find /tmp/nvdisasm -name nvdisasm)" --out bench/results/

For each case's kernel: registers, spills and shared memory as ptxas reports them, the instructions of its hot loop (of the
whole kernel where nothing is repeated) as nvdisasm prints them, the fraction of the instruction's peak that the cost model expects,
and the least time that the device's figures allow: products at its peak, traffic at its bandwidth. With a fraction, the time
is the products' divided by it. The device's figures are those of H100 SXM: 989 TFLOP/s (f16, bf16), 67 (f32), 3350 GB/s.
"""

import argparse
import collections
import datetime
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "test" / "models"), str(pathlib.Path(__file__).parent)]

# pylint: disable=wrong-import-position
import cases  # noqa: E402

PEAK = {"float16": 989e12, "bfloat16": 989e12, "float32": 67e12}
BANDWIDTH = 3350e9
# What the instructions of SASS are counted as; what is in no class is "other".
CLASSES = [("wgmma", r"[HQI]GMMA"), ("mma", r"[HIQ]MMA"), ("fma", r"FFMA|FMUL|FADD|HFMA2|HADD2|HMUL2"), ("special", r"MUFU"),
           ("copies", r"UTMALDG|UBLKCP|LDGSTS"), ("load", r"LDG|LD\b"), ("store", r"STG|ST\b"), ("shared", r"LDS|STS|LDSM|STSM"),
           ("spill", r"LDL|STL"), ("shuffle", r"SHFL"), ("barrier", r"BAR|SYNCS|WARPGROUP|DEPBAR|LDGDEPBAR|WARPSYNC"),
           ("convert", r"F2F|F2FP|I2F|F2I"), ("branch", r"BRA|EXIT|RET|BSSY|BSYNC"),
           ("integer", r"[UV]?(?:IMAD|IADD3?|LEA|LOP3|SHF|ISETP|IMNMX|PRMT|SEL|VIADD\w*|R2UR|MOV|PLOP3)")]
WORK = ("wgmma", "mma", "fma", "load")  # a hot loop has these


def compile_case(case, target, folder):
    """(report, PTX, cubin)."""
    model, artifact, report = folder / "m.onnx", folder / "m.bsm", folder / "m.json"
    model.write_bytes(case.model(1))
    done = subprocess.run([ROOT / "build" / "bin" / "bessemer", "compile", model, "-o", artifact, f"--target={target}",
                           f"--report={report}"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip())
    data = artifact.read_bytes()
    # The sections of PTX and cubin: text from its first directive on, an ELF file.
    ptx = re.match(rb"[\t\n\r -~]*", data[data.index(b".version"):])[0]
    elf = data.find(b"\x7fELF")
    return json.loads(report.read_text()), ptx, data[elf:] if elf >= 0 else b""


def resources(ptx, architecture, folder):
    """What ptxas says of each kernel: {name: {"registers", "spills", "shared"}}."""
    source = folder / "k.ptx"
    source.write_bytes(ptx)
    done = subprocess.run(["ptxas", "-v", f"-arch={architecture}", source, "-o", folder / "k.cubin"], capture_output=True,
                          text=True, check=True)
    found, name = {}, None
    for line in (done.stderr + done.stdout).splitlines():
        if entry := re.search(r"Compiling entry function '(\S+)'|Function properties for (\S+)", line):
            name = entry[1] or entry[2]
            found.setdefault(name, {"registers": 0, "spills": 0, "shared": 0})
        if spills := re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", line):
            found[name]["spills"] = int(spills[1]) + int(spills[2])
        if used := re.search(r"Used (\d+) registers", line):
            found[name]["registers"] = int(used[1])
        if shared := re.search(r"(\d+) bytes smem", line):
            found[name]["shared"] = int(shared[1])
    return found


def class_of(opcode):
    return next((name for name, pattern in CLASSES if re.match(rf"(?:{pattern})\b", opcode)), "other")


def instructions(nvdisasm, cubin):
    """The code of each kernel: {name: [(address, opcode, target of a branch or None)]}."""
    text = subprocess.run([nvdisasm, "-hex", "-c", cubin], capture_output=True, text=True, check=True).stdout
    kernels, labels, code = {}, {}, None
    for line in text.splitlines():
        if section := re.match(r"\.section\s+\.text\.([^,\s]+)", line.strip()):
            code = kernels.setdefault(section[1], [])
            labels = {}
        elif code is not None and (label := re.match(r"(\.L_x_\d+):", line.strip())):
            labels[label[1]] = len(code)
        elif code is not None and (found := re.search(r"/\*([0-9a-f]{4,})\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9]*)(.*)", line)):
            target = re.search(r"`\((\.L_x_\d+)\)", found[3])
            code.append((found[2], target[1] if target and found[2] in ("BRA", "BRX") else None, labels))
    return kernels


def hot_loop(code):
    """Of the innermost loops the one with the most work; else all of it. A count by class, and whether it is a loop."""
    loops = [(labels[target], index) for index, (_, target, labels) in enumerate(code)
             if target and labels.get(target, index + 1) <= index]
    counted = []
    for begin, end in loops:
        if any(begin <= b and e <= end and (b, e) != (begin, end) for b, e in loops):
            continue
        mix = collections.Counter(class_of(opcode) for opcode, _, _ in code[begin:end + 1])
        counted.append((sum(weight * mix[name] for weight, name in zip((10000, 1000, 10, 1), WORK)), begin, mix))
    counted = [entry for entry in counted if entry[0]]
    if counted:
        return max(counted, key=lambda entry: entry[:2])[2], True
    return collections.Counter(class_of(opcode) for opcode, _, _ in code), False


def expected_fractions(reason):
    """Of the instruction's peak and of the memory's bandwidth, as the cost model's reason says them; None where it does not."""
    found = [re.search(pattern, reason) for pattern in (r"(\d+) % of the peak (?:and .*)?expected",
                                                        r"(\d+) % of the memory's bandwidth expected")]
    return [int(part[1]) / 100 if part else None for part in found]


def predict(case, target, nvdisasm, folder):
    """A row of the table."""
    try:
        report, ptx, cubin = compile_case(case, target, folder)
    except RuntimeError as error:
        return {"case": case.name, "refused": str(error).splitlines()[0]}
    (folder / "m.cubin").write_bytes(cubin)
    used = resources(ptx, target.split(":")[1], folder)
    mixes = instructions(nvdisasm, folder / "m.cubin") if nvdisasm and cubin else {}
    products, traffic = case.flops / PEAK[case.dtype], case.bytes / BANDWIDTH
    row = {"case": case.name, "least_us": 1e6 * max(products, traffic), "bound": "products" if products > traffic else "traffic",
           "kernels": []}
    for kernel in report["kernels"]:
        if kernel["kind"] == "map":  # the slices that keep the operations of a chain apart
            continue
        mix, repeated = hot_loop(mixes.get(kernel["name"], []))
        row["kernels"].append({"name": kernel["name"], "reason": kernel["reason"], **used.get(kernel["name"], {}),
                               "mix": dict(mix), "loop": repeated, "fractions": expected_fractions(kernel["reason"])})
    # The fractions are whole percents: of small ones no time follows. Where one says nothing the other does.
    times = [1e6 * least / min(shares) for least, shares in ((products, [kernel["fractions"][0] for kernel in row["kernels"]]),
                                                             (traffic, [kernel["fractions"][1] for kernel in row["kernels"]]))
             if shares and all(share and share >= 0.05 for share in shares)]
    if times:
        row["expected_us"] = max(times + [row["least_us"]])
    return row


def table(rows):
    lines = ["| case | registers | spilled, bytes | hot loop | of the peak (of the memory's bandwidth), by the model | least time, us (bound) | expected, us |",
             "|---|---|---|---|---|---|---|"]
    for row in rows:
        if "refused" in row:
            lines.append(f"| {row['case']} | | | refused: {row['refused']} | | | |")
            continue
        for index, kernel in enumerate(row["kernels"]):
            mix = ", ".join(f"{count} {name}" for name, count in sorted(kernel["mix"].items(), key=lambda item: -item[1]))
            whole = "" if kernel["loop"] or not mix else "no loop: "
            peak, memory = kernel["fractions"]
            fraction = "" if peak is None else f"{100 * peak:.0f} %" + ("" if memory is None else f" ({100 * memory:.0f} %)")
            first = index == 0
            expected = f"{row['expected_us']:.1f}" if first and "expected_us" in row else ""
            lines.append(f"| {row['case'] if first else ''} | {kernel.get('registers', '')} | {kernel.get('spills', '')} | {whole}{mix} "
                         f"| {fraction} | {row['least_us']:.1f} ({row['bound']}) | {expected} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", default="cuda:sm_90a")
    parser.add_argument("--size", choices=("full", "small"), default="full")
    parser.add_argument("--filter", default="")
    parser.add_argument("--nvdisasm", default=shutil.which("nvdisasm"), help="without it no instructions are counted")
    parser.add_argument("--out", type=pathlib.Path, help="a folder: writes DATE-predicted-TARGET.md and .json there")
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for case in getattr(cases, arguments.size)():
            if arguments.filter in case.name:
                rows.append(predict(case, arguments.target, arguments.nvdisasm, pathlib.Path(folder)))
    text = table(rows)
    print(text)
    if arguments.out:
        date = datetime.date.today().isoformat()
        arguments.out.mkdir(parents=True, exist_ok=True)
        stem = arguments.out / f"{date}-predicted-{arguments.target.replace(':', '-')}"
        command = f"bench/gpu/predict.py --target={arguments.target} --size={arguments.size}"
        stem.with_suffix(".md").write_text(
            "<!-- SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception -->\n"
            f"# Predicted, no device\n{date}, `{command}`: registers and spills by ptxas, instructions by nvdisasm, the rest by the "
            f"cost model. Nothing was timed.\n\n{text}\n")
        stem.with_suffix(".json").write_text(json.dumps({"date": date, "device": None, "target": arguments.target, "rows": rows},
                                                        indent=1) + "\n")


if __name__ == "__main__":
    main()
