"""Decoders that are programs over lines of JSON: ours, and the peers in the folders beside this one."""
import json
import pathlib
import subprocess

from .reading import NotHere, Reading

INTEROP = pathlib.Path(__file__).resolve().parent.parent


def lines_of(command, requests):
    """Runs a program over lines of JSON. What it prints that is no JSON object is chatter of its library."""
    done = subprocess.run(command, input="".join(json.dumps(request) + "\n" for request in requests),
                          capture_output=True, text=True)
    if done.returncode == 77:
        raise NotHere(done.stderr.strip().splitlines()[-1])
    if done.returncode:
        raise SystemExit(f"{command[0]} failed:\n{done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


class Peer:
    """A foreign codec, set up from our rows by a small program of its own (decode of FOLDER/run)."""

    def __init__(self, name, folder, is_wrong=lambda row: None):
        self.name, self.command, self.is_wrong = name, INTEROP / folder / "run", is_wrong

    def why(self, golden, element, rows):
        return self.is_wrong(rows.row(golden["dialect"], int(element)))

    def read(self, goldens, rows):
        readings = {}
        for dialect in {golden["dialect"] for golden in goldens}:
            requests = [{"id": golden["id"], "dialect": dialect, "hex": golden["hex"]}
                        for golden in goldens if golden["dialect"] == dialect]
            for answer in lines_of([self.command, "decode", rows.folder], requests):
                identity = answer.pop("id")
                readings[identity] = Reading(**answer)
        return readings


def jpos_is_wrong(row):
    if row["content"] == "hexebcdic":
        return "jPOS 2.1.10 reads the hex digits A to F in EBCDIC one too high, and writes them right"
    return None


class Ours:
    """The decoder that all this is about, through its command-line tool."""

    name = "ours"

    def __init__(self, tool):
        self.tool = tool

    def read(self, goldens, _rows):
        requests = [{"id": golden["id"], "dialect": golden["dialect"], "hex": golden["hex"]} for golden in goldens]
        readings, again = {}, []
        for golden, answer in zip(goldens, lines_of([self.tool, "decode", "--ndjson", "--reveal"], requests), strict=True):
            if "error" in answer:
                readings[golden["id"]] = Reading(error=answer["error"]["message"])
                continue
            readings[golden["id"]] = Reading(answer["mti"], answer["fields"])
            again.append({"id": golden["id"], "dialect": golden["dialect"]} | {k: answer[k] for k in ("mti", "fields")})
        for answer in lines_of([self.tool, "encode", "--ndjson"], again):
            readings[answer["id"]].hex = answer.get("hex", "")
        return readings


class Rows:
    """The rows of our dialects, as the tool prints them: what every codec that can be told anything is set up from."""

    def __init__(self, tool, folder, dialects):
        self.folder = folder
        self.tables = {}
        for dialect in dialects:
            shown = subprocess.run([tool, "dialect-show", "--json", dialect], check=True, capture_output=True, text=True)
            (folder / f"{dialect}.json").write_text(shown.stdout)
            self.tables[dialect] = json.loads(shown.stdout)

    def __getitem__(self, dialect):
        return self.tables[dialect]

    def row(self, dialect, number):
        return next((row for row in self.tables[dialect]["elements"] if row["number"] == number), None)
