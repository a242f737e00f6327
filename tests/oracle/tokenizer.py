"""Golden values of host/data/tokenizer.h, text_clean.h and bpe_learn.h: CLIP's rules written out in Python on ftfy and regex.

Needs CLIP's merges file: XREID_CLIP_VOCABULARY (default: shared/clip/bpe_simple_vocab_16e6.txt.gz beside the repository).
Writes tests/golden/tokenizer.json and the vocabulary small_merges.txt, learnt from CAPTIONS by the plainest program there is.
"""
import collections
import gzip
import html
import json
import os
import pathlib

import ftfy
import regex

import caption_texts

HERE = pathlib.Path(__file__).resolve()
GOLDEN = HERE.parent.parent / "golden"
VOCABULARY = os.environ.get("XREID_CLIP_VOCABULARY", HERE.parents[2].parent / "shared/clip/bpe_simple_vocab_16e6.txt.gz")
WORD = regex.compile(r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+", regex.IGNORECASE)
SPECIAL = ["<|startoftext|>", "<|endoftext|>"]


def byte_characters():
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    return {b: chr(b) for b in printable} | {b: chr(256 + i) for i, b in enumerate(others)}


CHARACTER = byte_characters()


def clean(text):
    text = html.unescape(html.unescape(ftfy.fix_text(text))).strip()
    return regex.sub(r"\s+", " ", text).strip().lower()


def spell(word):
    pieces = [CHARACTER[b] for b in word.encode("utf-8")]
    return pieces[:-1] + [pieces[-1] + "</w>"]


def join(pieces, pair):
    out = []
    while pieces:
        width = 2 if tuple(pieces[:2]) == pair else 1
        out.append("".join(pieces[:width]))
        pieces = pieces[width:]
    return out


class Tokenizer:
    def __init__(self, lines):
        merges = [tuple(line.split()) for line in lines[1:1 + 49152 - 256 - 2] if line]
        symbols = list(CHARACTER.values())
        vocabulary = symbols + [s + "</w>" for s in symbols] + ["".join(m) for m in merges] + SPECIAL
        self.id = {piece: i for i, piece in enumerate(vocabulary)}
        self.rank = {m: i for i, m in enumerate(merges)}
        self.size = len(vocabulary)

    def word(self, word):
        if word in SPECIAL:
            return [word]
        pieces = spell(word)
        while len(pieces) > 1:
            best = min(zip(pieces, pieces[1:]), key=lambda pair: self.rank.get(pair, self.size))
            if best not in self.rank:
                break
            pieces = join(pieces, best)
        return pieces

    def __call__(self, cleaned):
        return [self.size - 2, *(self.id[p] for w in WORD.findall(cleaned) for p in self.word(w)), self.size - 1]


def learn(captions, merges):
    words = collections.Counter(w for c in captions for w in WORD.findall(clean(c)) if w not in SPECIAL)
    words = [[spell(word), count] for word, count in words.items()]
    lines = [f"#version: byte pairs learnt by xreid from {len(captions)} captions"]
    for _ in range(merges):
        pairs = collections.Counter()
        for pieces, count in words:
            for pair in zip(pieces, pieces[1:]):
                pairs[pair] += count
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair[0].encode(), pair[1].encode()))
        lines.append(" ".join(best))
        words = [[join(pieces, best), count] for pieces, count in words]
    return lines


def misread(text, encodings, spaces):
    for encoding in encodings:
        text = text.encode("utf-8").decode(encoding, "replace")
    return text.replace("\u00a0", " ") if spaces else text


def decode(data):
    """UTF-8 with U+FFFD for what is none, but surrogates of three bytes each kept (host/data/text_points.h)."""
    text = ""
    while data:
        end = next((i for i in range(len(data)) if data[i] == 0xED and 0xA0 <= data[i + 1:i + 2].ljust(1, b"\0")[0] <= 0xBF
                    and 0x80 <= data[i + 2:i + 3].ljust(1, b"\0")[0] <= 0xBF), len(data))
        text += data[:end].decode("utf-8", "replace") + data[end:end + 3].decode("utf-8", "surrogatepass")
        data = data[end + 3:]
    return text


def main():
    ftfy.bad_codecs.sloppy  # registers the sloppy encodings
    t = caption_texts
    texts = t.PLAIN + t.CODE + t.UNICODE + t.PUNCTUATION + t.HTML + t.CONTROL + [misread(*m) for m in t.MISREAD] + t.MIXED + t.LONG
    small_lines = learn(t.CAPTIONS, 120)
    clip = Tokenizer(gzip.decompress(pathlib.Path(VOCABULARY).read_bytes()).decode("utf-8").split("\n"))
    small = Tokenizer(small_lines)
    records = []
    for data in [text.encode("utf-8", "surrogatepass") for text in texts] + t.BYTES:
        cleaned = clean(decode(data))
        records.append({"hex": data.hex(), "clean": cleaned, "clip": clip(cleaned), "small": small(cleaned)})
    every = [json.dumps(record, ensure_ascii=True, separators=(",", ":")) for record in records]
    document = '{"captions":%s,\n"texts":[\n%s\n]}\n' % (json.dumps(t.CAPTIONS), ",\n".join(every))
    (GOLDEN / "tokenizer.json").write_text(document, encoding="ascii")
    (GOLDEN / "small_merges.txt").write_text("\n".join(small_lines) + "\n", encoding="utf-8")
    print(f"{len(records)} texts, {len(document)} bytes, {len(small_lines) - 1} merges")


if __name__ == "__main__":
    main()
