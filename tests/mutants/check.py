"""What a run of cargo-mutants found, against what is known: `check.py mutants.out…`.

Fails when a change to the code survives that `survivors.txt` does not name, when the tests notice less than nine changes in
ten, or when they miss one in the lock, the signatures or the access checks that is not equivalent.
"""

import json
import pathlib
import re
import sys
from collections import Counter, defaultdict

HERE = pathlib.Path(__file__).parent
LEAST = 0.9
# Here nothing survives unless it is the same program in other words.
STRICT = (
    "shared/domain/src/lock.rs",
    "shared/domain/src/membership.rs",
    "shared/carriers/src/callback.rs",
    "shared/carriers/src/twilio/basic.rs",
    "shared/carriers/src/twilio/signature.rs",
    "shared/carriers/src/twilio/signed_text.rs",
    "shared/http/src/access.rs",
    "shared/http/src/caller.rs",
    "shared/http/src/cursor.rs",
    "shared/http/src/webhook.rs",
)
NOTICED = ("CaughtMutant", "Timeout")


def known():
    """The survivors: which change, how often in that function, and whether it is equivalent."""
    survivors, equivalent, reason = Counter(), set(), ""
    for line in (HERE / "survivors.txt").read_text().splitlines():
        if not line.strip():
            reason = ""
        elif line.startswith("#"):
            reason += line
        else:
            survivors[line] += 1
            if reason.startswith("# Equivalent"):
                equivalent.add(line)
    return survivors, equivalent


def change(mutant):
    """The mutant without its line and column, which move with every edit."""
    return re.sub(r"^([^:]+):\d+:\d+: ", r"\1: ", mutant["name"])


def main(folders):
    outcomes = [
        (outcome["scenario"]["Mutant"], outcome["summary"])
        for folder in folders
        for file in pathlib.Path(folder).glob("outcomes.json")  # none where a run was of another package
        for outcome in json.loads(file.read_text())["outcomes"]
        if outcome["scenario"] != "Baseline"
    ]
    if not outcomes:
        print("no mutants were tried")
        return 1
    survivors, equivalent = known()
    files, missed, tried = defaultdict(Counter), Counter(), set()
    for mutant, summary in outcomes:
        tried.add(change(mutant))
        files[mutant["file"]][summary] += 1
        if summary == "MissedMutant":
            missed[change(mutant)] += 1

    print(f"{'caught':>7} {'time-out':>8} {'missed':>6} {'unviable':>8}")
    for file, found in sorted(files.items()):
        row = [found[kind] for kind in ("CaughtMutant", "Timeout", "MissedMutant", "Unviable")]
        print("{:7} {:8} {:6} {:8}  {}".format(*row, file))
    noticed = sum(found[kind] for found in files.values() for kind in NOTICED)
    viable = noticed + missed.total()
    share = noticed / viable if viable else 0.0
    print(f"noticed: {noticed} of {viable}, {share:.1%}; {missed.total() - (missed - survivors).total()} known survivors")

    faults = [f"survives, and is not in survivors.txt: {name}" for name in (missed - survivors).elements()]
    if share < LEAST:
        faults.append(f"less than {LEAST:.0%} are noticed")
    for name in missed:
        if name.split(": ")[0] in STRICT and name not in equivalent:
            faults.append(f"survives where nothing may: {name}")
    for name in (survivors - missed).elements():
        if name in tried:
            print(f"note: in survivors.txt, and noticed now: {name}")
    print("\n".join(faults) or "nothing new survives")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
