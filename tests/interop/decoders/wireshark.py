"""Wireshark's dissector, which brings its own tables of the 1987 and 1993 versions. It reads and does not write."""
import json
import pathlib
import shutil
import struct
import subprocess
import tempfile

from .reading import NotHere, Reading

PORT = 8583
DIGITS = {"ascii": "Digits represented as ASCII Characters", "bcd": "Digits represented in nibbles"}
BINARY = {"hexascii": "Bin data represented as Hex Ascii characters", "raw": "Bin data not encoded"}


class Wireshark:
    name = "Wireshark"

    def why(self, golden, element, rows):
        value = golden["fields"].get(element, "")
        return is_wrong(rows.row(golden["dialect"], int(element)), rows[golden["dialect"]], value)

    def read(self, goldens, rows):
        if not shutil.which("tshark"):
            raise NotHere("Wireshark: no tshark on this machine (./test --oracles installs it)")
        readings = {}
        for dialect in {golden["dialect"] for golden in goldens}:
            of_dialect = [golden for golden in goldens if golden["dialect"] == dialect]
            reason = cannot(rows[dialect])
            if reason:
                readings |= {golden["id"]: Reading(cannot=reason) for golden in of_dialect}
                continue
            layers = dissect([bytes.fromhex(golden["hex"]) for golden in of_dialect], rows[dialect])
            for golden, layer in zip(of_dialect, layers, strict=True):
                readings[golden["id"]] = reading(layer, golden, rows, dialect)
        return readings


def binary_content(table):
    return next(row["content"] for row in table["elements"] if row["format"] == "b")


def cannot(table):
    if table["mti"] not in DIGITS:
        return "it knows digits in ASCII and packed ones"
    if table["version"] not in ("1987", "1993"):
        return "it knows 1987 and 1993"
    if table["header"]:
        return "it knows no header before the MTI"
    # one choice for bitmaps and binary elements, and one for digits, MTI and prefixes
    if (table["bitmap"] == "hexascii") != (binary_content(table) == "hexascii"):
        return "it knows bitmaps and binary elements in one form only"
    numeric = {row["content"] for row in table["elements"] if row["format"] == "n"}
    prefixes = {row["prefix"] for row in table["elements"] if "prefix" in row}
    if numeric | prefixes != {table["mti"]}:
        return "it knows digits in one form only"
    return None


def packet(body, sequence):
    """One TCP segment that holds one message behind its two-byte length. Nobody looks at the checksums."""
    data = len(body).to_bytes(2, "big") + body
    tcp = struct.pack(">HHIIBBHHH", 40000, PORT, sequence, 0, 5 << 4, 0x18, 65535, 0, 0)
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 40 + len(data), 0, 0, 64, 6, 0, b"\x7f\0\0\1", b"\x7f\0\0\1")
    return ip + tcp + data, sequence + len(data)


def write_capture(path, bodies):
    sequence = 1
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))  # 101: raw IP
        for body in bodies:
            data, sequence = packet(body, sequence)
            file.write(struct.pack("<IIII", 0, 0, len(data), len(data)) + data)


def dissect(bodies, table):
    """What Wireshark shows of each message: one layer a message."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "messages.pcap"
        write_capture(path, bodies)
        preferences = {"len_endian": "Big endian", "charset": DIGITS[table["mti"]],
                       "binencode": BINARY["hexascii" if table["bitmap"] == "hexascii" else "raw"]}
        command = ["tshark", "-r", path, "-d", f"tcp.port=={PORT},iso8583", "-Y", "iso8583", "-T", "json", "-J", "iso8583"]
        for name, value in preferences.items():
            command += ["-o", f"iso8583.{name}:{value}"]
        shown = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    layers = [packet["_source"]["layers"]["iso8583"] for packet in shown]
    return [layer for several in layers for layer in (several if isinstance(several, list) else [several])]


def elements(layer, found):
    for key, value in layer.items():
        if key.startswith("iso8583.bit") and not key.endswith("_tree"):
            found[key.removeprefix("iso8583.bit")] = value
        elif key == "iso8583.mti":
            found["mti"] = value
        elif isinstance(value, dict):
            elements(value, found)
    return found


# Where Wireshark 4.0 is wrong, or cannot be told better, and loses its place: a message counts up to the first of these.
def is_wrong(row, table, value):
    """Why Wireshark reads an element otherwise, if it does."""
    number, year = row["number"], table["version"]
    if number > 128:
        return "Wireshark knows no third bitmap"
    if year == "1987" and number in (86, 87, 88, 89):
        return "the standard has sixteen digits in 86 to 89, Wireshark fifteen"
    if year == "1993" and number == 15:
        return "the standard has six digits, the year before month and day, Wireshark four"
    if year == "1993" and number == 71:
        return "the standard has eight digits, Wireshark six"
    if row["format"] == "z" and table["bitmap"] == "bin":
        return "it is digits and a separator, Wireshark takes it for bytes where binary elements are bytes"
    if row["content"] == "bcd" and number in (49, 50, 51):
        return "the dialect packs currency codes, Wireshark has them as text only, as they stand in the standard"
    if row.get("filler") in ("right0", "rightF") and len(value) % 2:
        return "the dialect fills an odd number of digits on the right, Wireshark knows filler on the left only"
    if row["content"] == "hexascii" and row.get("prefix_counts") == "bytes":
        return "the prefix counts bytes, Wireshark takes it for a count of the characters that stand for them"
    if row["content"] == "raw" and "prefix" in row:
        return "Wireshark takes what follows the prefix for text" if year == "1987" else "Wireshark cuts it short"
    return None


def reading(layer, golden, rows, dialect):
    theirs = elements(layer, {})
    mti = theirs.pop("mti", "")
    for number, shown in theirs.items():
        wanted = golden["fields"].get(number, "")
        # it drops blanks at the ends, and shows raw bytes with what lies behind them
        raw = rows.row(dialect, int(number))["content"] == "raw"
        theirs[number] = shown[:len(wanted)] if raw else shown.ljust(len(wanted))
    lost = [int(n) for n, value in golden["fields"].items() if is_wrong(rows.row(dialect, int(n)), rows[dialect], value)]
    return Reading(mti, theirs, lost_at=min(lost, default=None))
