"""The widths of elements, written down from the standard a second time, on purpose: every decoder that is set up from our
rows would otherwise agree with a mistake in them."""

FIXED, LL, LLL = 0, 2, 3

# element: letters of the format, digits of the length prefix, length or limit
ISO87 = {
    2: ("n", LL, 19), 3: ("n", FIXED, 6), 4: ("n", FIXED, 12), 7: ("n", FIXED, 10), 11: ("n", FIXED, 6),
    12: ("n", FIXED, 6), 13: ("n", FIXED, 4), 14: ("n", FIXED, 4), 15: ("n", FIXED, 4), 18: ("n", FIXED, 4),
    22: ("n", FIXED, 3), 23: ("n", FIXED, 3), 24: ("n", FIXED, 3), 25: ("n", FIXED, 2), 32: ("n", LL, 11),
    33: ("n", LL, 11), 35: ("z", LL, 37), 37: ("an", FIXED, 12), 38: ("an", FIXED, 6), 39: ("an", FIXED, 2),
    41: ("ans", FIXED, 8), 42: ("ans", FIXED, 15), 43: ("ans", FIXED, 40), 48: ("ans", LLL, 999), 49: ("an", FIXED, 3),
    50: ("an", FIXED, 3), 52: ("b", FIXED, 8), 54: ("an", LLL, 120), 55: ("b", LLL, 255), 59: ("ans", LLL, 999),
    60: ("ans", LLL, 999), 61: ("ans", LLL, 999), 62: ("ans", LLL, 999), 63: ("ans", LLL, 999), 64: ("b", FIXED, 8),
    66: ("n", FIXED, 1), 70: ("n", FIXED, 3), 74: ("n", FIXED, 10), 75: ("n", FIXED, 10), 76: ("n", FIXED, 10),
    77: ("n", FIXED, 10), 81: ("n", FIXED, 10), 86: ("n", FIXED, 16), 87: ("n", FIXED, 16), 88: ("n", FIXED, 16),
    89: ("n", FIXED, 16), 90: ("n", FIXED, 42), 95: ("an", FIXED, 42), 97: ("x+n", FIXED, 17), 128: ("b", FIXED, 8),
}
ISO93 = ISO87 | {
    12: ("n", FIXED, 12), 15: ("n", FIXED, 6), 22: ("an", FIXED, 12), 25: ("n", FIXED, 4), 26: ("n", FIXED, 4),
    30: ("n", FIXED, 24), 31: ("ans", LL, 99), 39: ("n", FIXED, 3), 40: ("n", FIXED, 3), 43: ("ans", LL, 99),
    49: ("an", FIXED, 3), 54: ("ans", LLL, 120), 56: ("n", LL, 35), 71: ("n", FIXED, 8), 93: ("n", LL, 11),
    94: ("n", LL, 11),
}
# in 1987 these stand for other things in 1993, whose widths are not written down here
for number in (60, 66, 70, 74, 75, 76, 77, 81, 86, 87, 88, 89, 90, 95):
    del ISO93[number]
TABLES = {"1987": ISO87, "1993": ISO93}
# packed dialects send currencies as digits
CURRENCIES = (49, 50, 51)


def differences(table):
    """Where the rows of a dialect that follows the standard differ from it."""
    wrong = []
    rows = {row["number"]: row for row in table["elements"]}
    for number, wanted in TABLES[table["version"]].items():
        row = rows[number]
        letters = row["format"] if number not in CURRENCIES else "ans"
        found = (letters, row.get("prefix_digits", FIXED), row["length"])
        if found != ("ans" if wanted[0].startswith("a") else wanted[0], *wanted[1:]):
            wrong.append(f"{table['name']} DE{number}: {found}, the standard has {wanted}")
    return wrong
