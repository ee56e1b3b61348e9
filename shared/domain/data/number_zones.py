#!/usr/bin/env python3
"""Writes number-zones.txt from the time zones that libphonenumber publishes.

It reads them from phonenumbers, which contains the data of the release of libphonenumber with the same
version:

    python3 -m venv VENV && VENV/bin/pip install phonenumbers==VERSION
    VENV/bin/python shared/domain/data/number_zones.py "MONTH YEAR"
"""

import sys
import textwrap
from pathlib import Path

import phonenumbers
from phonenumbers.tzdata import TIMEZONE_DATA

FILE = Path(__file__).with_name("number-zones.txt")
WIDTH = 110

HEADER = """\
The time zones of phone numbers: each line has IANA names and the prefixes (without +) of the numbers in those \
zones. The longest prefix of a number applies. Numbers without a prefix here may be anywhere.

Source: resources/timezones/map_data.txt of libphonenumber {version} ({date}). The zone is that of the prefix, not \
of the phone. Copyright (C) 2012-{year} The Libphonenumber Authors. License: Apache-2.0. \
<https://github.com/google/libphonenumber>

Changes, all made by number_zones.py: Entries that repeat those of a shorter prefix, zones that are the same as \
another one of the entry, and the entry of +1 itself, which covers half of the world, are left out. Numbers that a \
country does not bind to a place, as most mobile numbers, have all zones of the country. The entries of {corrected} \
are corrected."""

# Names of the same zone, by the tz database's file `backward`.
SAME = {
    "America/Kralendijk": "America/Curacao",
    "Arctic/Longyearbyen": "Europe/Oslo",
    "Asia/Choibalsan": "Asia/Ulaanbaatar",
    "Europe/Guernsey": "Europe/London",
    "Europe/Isle_of_Man": "Europe/London",
    "Europe/Jersey": "Europe/London",
    "Europe/Mariehamn": "Europe/Helsinki",
    "Europe/Vatican": "Europe/Rome",
}

# Where the map has a zone of another country whose clocks differ, or lacks a zone in which people live.
CORRECTIONS = {
    "211": ["Africa/Juba"],  # South Sudan, not Kenya
    "212": ["Africa/Casablanca"],  # Morocco, not the Canary Islands
    "213": ["Africa/Algiers"],  # Algeria, not France
    "218": ["Africa/Tripoli"],  # Libya, not Romania
    "505": ["America/Managua"],  # Nicaragua, not the United States
    "5581": ["America/Noronha", "America/Recife"],  # Recife has the area code of the island
    "5591": ["America/Belem"],  # Pará, not Amazonas
    "5593": ["America/Santarem"],
    "5594": ["America/Belem"],
    "5632": ["America/Santiago", "Pacific/Easter"],  # Valparaíso has the area code of the island
    "5661": ["America/Punta_Arenas"],
    "675": ["Pacific/Bougainville", "Pacific/Port_Moresby"],
    "7401": ["Europe/Kaliningrad"],  # Russia, not Romania
    "970": ["Asia/Gaza", "Asia/Hebron"],  # Palestine, not Romania
}

# Mobile numbers that are not bound to a place, in countries with several zones. libphonenumber looks these up
# by country too, except for those of Indonesia. Brazil, Mexico, and North America have area codes for mobile
# numbers.
NATIONWIDE = {
    "2992", "2994", "2995",  # Greenland
    "346", "347",  # Spain
    "569",  # Chile
    "5939",  # Ecuador
    "614",  # Australia
    "628",  # Indonesia
    "642",  # New Zealand
    "68988", "68989",  # French Polynesia
    "79",  # Russia
    "9765", "9766", "9768", "9769",  # Mongolia
}  # fmt: skip


def corrected() -> dict[str, list[str]]:
    """Returns the zones by prefix, with the corrections."""
    entries = {prefix: list(zones) for prefix, zones in TIMEZONE_DATA.items() if prefix != "1"}
    for prefix, zones in CORRECTIONS.items():
        entries = {known: value for known, value in entries.items() if not known.startswith(prefix)}
        entries[prefix] = zones
    for prefix in NATIONWIDE:
        entries = {known: value for known, value in entries.items() if not known.startswith(prefix)}
    for prefix in NATIONWIDE:
        entries[prefix] = country(prefix, entries)
    return {prefix: unique(zones) for prefix, zones in entries.items()}


def country(prefix: str, entries: dict[str, list[str]]) -> list[str]:
    """Returns all zones of the country. Russia and Kazakhstan have the same country code."""
    code = next(prefix[:length] for length in (1, 2, 3) if prefix[:length] in TIMEZONE_DATA)
    others = entries["77"] + ["Europe/Bucharest"] if code == "7" else []
    zones = [zone for known, zones in entries.items() if known.startswith(code) for zone in zones]
    return [zone for zone in zones if zone not in others]


def unique(zones: list[str]) -> list[str]:
    return sorted({SAME.get(zone, zone) if len(zones) > 1 else zone for zone in zones})


def without_repetitions(entries: dict[str, list[str]]) -> dict[str, list[str]]:
    kept: dict[str, list[str]] = {}
    for prefix in sorted(entries, key=len):
        shorter = (kept[prefix[:length]] for length in reversed(range(len(prefix))) if prefix[:length] in kept)
        if next(shorter, None) != entries[prefix]:
            kept[prefix] = entries[prefix]
    return kept


def main() -> None:
    date = sys.argv[1]
    header = HEADER.format(
        version=phonenumbers.__version__,
        date=date,
        year=date.split()[-1],
        corrected=", ".join(f"+{prefix}" for prefix in sorted(CORRECTIONS)),
    )
    lines = []
    for paragraph in header.split("\n\n"):
        lines += textwrap.wrap(paragraph, WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
        lines.append("#")
    lines[-1] = ""
    by_zones: dict[str, list[str]] = {}
    for prefix, zones in without_repetitions(corrected()).items():
        by_zones.setdefault(" ".join(zones), []).append(prefix)
    for zones, prefixes in sorted(by_zones.items()):
        lines.append(f"{zones}:")
        lines += textwrap.wrap(" ".join(sorted(prefixes)), WIDTH, initial_indent="  ", subsequent_indent="  ")
    FILE.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
