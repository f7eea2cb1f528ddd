"""The unmodified official client @binance/spot trades and watches at the practice exchange, over
REST, market streams and the WebSocket API (binance_spot.js).

usage: binance_spot.py BUILD_DIR SOURCE_DIR
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from exchange import ED_KEY, ED_PRIVATE, KEY, SECRET, Exchange

BUILD, SOURCE = sys.argv[1:3]
HERE = pathlib.Path(__file__).parent
MODULES = pathlib.Path(SOURCE) / ".node" / "node_modules"

if shutil.which("node") is None or not (MODULES / "@binance" / "spot").is_dir():
    print("SKIPPED: node or @binance/spot is not installed; scripts/setup --test installs them")
    sys.exit(77)

with tempfile.TemporaryDirectory(prefix="spoor-spot.") as folder, \
        Exchange(BUILD, SOURCE, folder) as practice:
    practice.act("limits", messages=50)  # its streams subscribe one by one
    done = subprocess.run(["node", HERE / "binance_spot.js", practice.base, KEY, SECRET,
                           ED_KEY, ED_PRIVATE],
                          env=os.environ | {"NODE_PATH": str(MODULES)}, timeout=100, check=False)
    assert done.returncode == 0, f"node ended with {done.returncode}"
