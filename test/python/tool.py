# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Calls the command-line tool; every test of it also holds that no call ends with a signal."""

import dataclasses
import pathlib
import resource
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
BESSEMER = ROOT / "build" / "bin" / "bessemer"
OPT = ROOT / "build" / "bin" / "bessemer-opt"


@dataclasses.dataclass
class Ended:
    code: int
    text: str        # stderr and stdout
    peak_bytes: int  # resident memory of the largest child so far


def bessemer(*arguments, timeout=120):
    return call(BESSEMER, *arguments, timeout=timeout)


def opt(*arguments, timeout=120):
    return call(OPT, *arguments, timeout=timeout)


def call(tool, *arguments, timeout):
    done = subprocess.run([str(tool), *map(str, arguments)], capture_output=True, timeout=timeout,
                          stdin=subprocess.DEVNULL, check=False)
    text = (done.stderr + done.stdout).decode(errors="replace")
    assert done.returncode in (0, 1, 2), f"{tool.name} {arguments[0]} ended with {done.returncode}:\n{text[-4000:]}"
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return Ended(done.returncode, text, peak)


def refused(*arguments, naming):
    """The call is refused with exit 2 and an error that names what is wrong."""
    ended = bessemer(*arguments)
    assert ended.code == 2, f"expected exit 2, got {ended.code}:\n{ended.text[-4000:]}"
    assert "error" in ended.text.lower(), ended.text
    for word in [naming] if isinstance(naming, str) else naming:
        assert word.lower() in ended.text.lower(), f"expected the diagnostic to name {word}, got:\n{ended.text[-4000:]}"
    return ended
