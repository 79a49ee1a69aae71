"""What `import kso_utils` costs, in bare interpreters."""

import statistics
import subprocess
import sys
import time

RUNS = 9


def _median(code: str) -> float:
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> dict[str, float]:
    bare, ours = _median("pass"), _median("import kso_utils")
    sys.stdout.write(
        f"bare interpreter {bare * 1000:.0f} ms, import kso_utils {ours * 1000:.0f} ms: {ours / bare:.2f} x\n"
    )
    return {"bare_s": bare, "import_s": ours, "ratio": ours / bare}
