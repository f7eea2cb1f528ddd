#!/usr/bin/env python3
"""How many messages a second go through marketdata -> bus -> subscriber at full speed, paced by all
three consumers of the demo, and how long one takes. Judges nothing.

usage: bench_marketdata.py BUILD_DIR SOURCE_DIR [--json] [--file CAPTURE] [--market DURATION]
                           [--record]
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import tempfile

CONSUMERS = ("venue", "execution", "strategy.ema")


def prepare(folder, source, args):
    config = folder / "config"
    shutil.copytree(source / "config" / "demo", config)
    platform = json.loads((config / "platform.json").read_text())
    platform["paths"] = {"data": "../data", "run": "../run", "logs": "../logs"}
    (config / "platform.json").write_text(json.dumps(platform))
    operation = json.loads((config / "operation.json").read_text())
    world = operation["worlds"]["practice"]
    if args.file:
        world["feed"] = {"source": "recording", "symbols": ["BTCUSDT"],
                         "file": str(pathlib.Path(args.file).resolve())}
    else:
        world["feed"]["length"] = args.market
    world["feed"].update(speed="max", record=args.record)
    (config / "operation.json").write_text(json.dumps(operation))
    (folder / "run").mkdir()
    return config


def measure(folder, build, source, args):
    config = prepare(folder, source, args)
    # Files, not pipes: nobody reads while they run, and a full pipe would stop them.
    outs = [(folder / name).open("w+") for name in CONSUMERS]
    taps = [subprocess.Popen([build / "test" / "md_tap", folder / "run", name, "md.paper.BTCUSDT",
                              "--paced", "--facts", "--until", "FEED_ENDED"]
                             + (["--latency"] if name == CONSUMERS[-1] else ["--bare"]),
                             stdout=out, text=True) for name, out in zip(CONSUMERS, outs)]
    service = subprocess.Popen([build / "spoor-marketdata", "--config", config],
                               stderr=subprocess.DEVNULL)
    try:
        for tap in taps:
            tap.wait(timeout=120)
        return [json.loads((folder / name).read_text().splitlines()[-1]) for name in CONSUMERS]
    finally:
        for process in taps + [service]:
            if process.poll() is None:
                process.terminate()
            process.wait()
        for out in outs:
            out.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--file")
    parser.add_argument("--market", default="8h")
    parser.add_argument("--record", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="spoor-bench-") as name:
        sums = measure(pathlib.Path(name), args.build.resolve(), args.source.resolve(), args)
    last = sums[-1]
    result = {"bench": "marketdata", "source": args.file or "generator " + args.market,
              "messages": last["records"], "subscribers": len(sums),
              "seconds": round(last["elapsed_ns"] / 1e9, 3),
              "messages_per_second": round(last["records"] * 1e9 / max(1, last["elapsed_ns"])),
              "replayed": sum(s["replayed"] for s in sums),
              "lost": sum(s["gaps"] + s["disorder"] + s["missing_trades"] for s in sums),
              "latency_us": last.get("latency_us", {})}
    if args.json:
        print(json.dumps(result))
        return
    print(f"marketdata -> bus -> {result['subscribers']} subscribers, {result['source']}: "
          f"{result['messages_per_second']:,} messages/s "
          f"({result['messages']:,} in {result['seconds']} s, {result['lost']} lost, "
          f"{result['replayed']} replayed, latency us {result['latency_us']})")


main()
