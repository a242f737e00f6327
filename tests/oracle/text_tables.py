"""Writes host/data/text_tables.c: facts that the cleaning of captions looks up (needs Python >= 3.11 and ftfy 6.3).

* the named character references of HTML5, as Python's html.entities lists them;
* the upper halves of the single-byte encodings in which UTF-8 is most often misread;
* the characters that such misreadings produce, sorted into the classes of ftfy's heuristic (Robyn Speer, "ftfy", 2019);
* Unicode's properties Cased and Case_Ignorable, which decide the form of a final sigma.
"""
import html
import html.entities
import pathlib

from ftfy import badness, chardata

OUT = pathlib.Path(__file__).resolve().parents[2] / "host/data/text_tables.c"
COLUMNS = 138

ENCODINGS = ("sloppy-windows-1252", "sloppy-windows-1251", "sloppy-windows-1250", "sloppy-windows-1253", "sloppy-windows-1254",
             "sloppy-windows-1257", "iso-8859-2", "mac-roman", "cp437")

CLASSES = {  # our flag -> ftfy's set of characters
    "COMMON": badness.MOJIBAKE_CATEGORIES["common"], "CONTROL": badness.MOJIBAKE_CATEGORIES["c1"],
    "BAD": badness.MOJIBAKE_CATEGORIES["bad"], "LAW": badness.MOJIBAKE_CATEGORIES["law"],
    "CURRENCY": badness.MOJIBAKE_CATEGORIES["currency"], "OPENING": badness.MOJIBAKE_CATEGORIES["start_punctuation"],
    "CLOSING": badness.MOJIBAKE_CATEGORIES["end_punctuation"], "NUMERIC": badness.MOJIBAKE_CATEGORIES["numeric"],
    "FACE": badness.MOJIBAKE_CATEGORIES["kaomoji"], "UPPER_ACCENTED": badness.MOJIBAKE_CATEGORIES["upper_accented"],
    "LOWER_ACCENTED": badness.MOJIBAKE_CATEGORIES["lower_accented"], "UPPER_COMMON": badness.MOJIBAKE_CATEGORIES["upper_common"],
    "LOWER_COMMON": badness.MOJIBAKE_CATEGORIES["lower_common"], "BOX": badness.MOJIBAKE_CATEGORIES["box"],
    "FIRST_OF_2": chardata.UTF8_CLUES["utf8_first_of_2"], "FIRST_OF_3": chardata.UTF8_CLUES["utf8_first_of_3"],
    "FIRST_OF_4": chardata.UTF8_CLUES["utf8_first_of_4"], "CONTINUATION": chardata.UTF8_CLUES["utf8_continuation"],
    "STRICT": chardata.UTF8_CLUES["utf8_continuation_strict"],
}


def members(ranges):
    """The characters of a bracket expression such as "a-fxz"."""
    found, i = set(), 0
    while i < len(ranges):
        step = 3 if ranges[i + 1:i + 2] == "-" and i + 2 < len(ranges) else 1
        found |= set(range(ord(ranges[i]), ord(ranges[i + step - 1]) + 1))
        i += step
    return found


def runs(value_of, points):
    """[first, last, value] for maximal runs of neighbours with one value other than 0."""
    found = []
    for point in points:
        value = value_of(point)
        if value and found and found[-1][1] == point - 1 and found[-1][2] == value:
            found[-1][1] = point
        elif value:
            found.append([point, point, value])
    return found


def table(head, entries):
    lines, line = [head + " = {"], "   "
    for entry in entries:
        if len(line) + len(entry) + 2 > COLUMNS:
            lines.append(line)
            line = "   "
        line += f" {entry},"
    return "\n".join(lines + [line.removesuffix(",") + "};"])


def entity_tables():
    def entry(name, text):
        codes = [f"{ord(c):#x}" for c in text]
        return '{"%s", {%s}}' % (name, ", ".join(codes))

    every = sorted(html.entities.html5.items(), key=lambda item: item[0].encode())
    shouted = sorted((key[1:], text) for key, text in chardata.HTML_ENTITIES.items() if html.entities.html5.get(key[1:]) != text)
    assert all(len(text) <= 3 for _, text in every + shouted)
    return [table(f"const xr_entity xr_entities[{len(every)}]", [entry(*e) for e in every]),
            f"const size_t xr_entity_count = {len(every)};",
            table(f"const xr_entity xr_shouted_entities[{len(shouted)}]", [entry(*e) for e in shouted]),
            f"const size_t xr_shouted_entity_count = {len(shouted)};"]


def encoding_tables():
    rows = []
    for name in ENCODINGS:
        upper = bytes(range(128, 256)).decode(name)
        rows.append(table(f"    /* {name} */", [f"{ord(c):#x}" for c in upper]).replace(" = {", "\n    {").replace("};", "},"))
    return ["const uint16_t xr_upper_halves[XR_MISREAD_ENCODINGS][128] = {\n" + "\n".join(rows).removesuffix(",") + "};"]


def class_table():
    flags = {name: members(ranges) for name, ranges in CLASSES.items()}
    classes = lambda point: " | ".join(f"XR_{name}" for name in CLASSES if point in flags[name])
    found = runs(classes, range(0x10000))
    return [table(f"const xr_class_run xr_class_runs[{len(found)}]", [f"{{{a:#x}, {b:#x}, {c}}}" for a, b, c in found]),
            f"const size_t xr_class_run_count = {len(found)};"]


def case_tables():
    """Asked of Python's own lower(): a capital sigma is final after a cased letter and before none."""
    every = [p for p in range(0x110000) if not 0xd800 <= p < 0xe000]
    skipped_or_cased = lambda p: ("A\u03a3" + chr(p) + "B").lower()[1] == "\u03c3"
    cased = lambda p: ("A\u03a3" + chr(p)).lower()[1] == "\u03c3"
    found = {"cased": runs(cased, every), "case_ignorable": runs(lambda p: skipped_or_cased(p) and not cased(p), every)}
    out = []
    for name, ranges in found.items():
        out += [table(f"const xr_point_run xr_{name}_runs[{len(ranges)}]", [f"{{{a:#x}, {b:#x}}}" for a, b, _ in ranges]),
                f"const size_t xr_{name}_run_count = {len(ranges)};"]
    return out


def main():
    head = "/* Made by tests/oracle/text_tables.py: facts about characters; do not edit. */\n/* clang-format off */\n#include \"host/data/text_tables.h\"\n"
    OUT.write_text("\n".join([head, *entity_tables(), *encoding_tables(), *class_table(), *case_tables()]) + "\n", encoding="ascii")
    print(f"{OUT.name}: {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
