"""Writes tests/golden/images/: small files of every kind that host/data/image.h reads, and images.safetensors: their pixels as Pillow
decodes them ("decode.<file>"), and resized pixels ("resize.<width>x<height>.<filter>" of "resize.source")."""
import io
import pathlib
import struct
import warnings
import zlib

import numpy as np
from PIL import Image, ImageFile
from safetensors.numpy import save_file

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "golden"
FILTERS = {"nearest": Image.NEAREST, "bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC, "lanczos": Image.LANCZOS}
warnings.simplefilter("ignore")  # Pillow would rather convert palettes with transparency to RGBA
random = np.random.default_rng(13)
files = {}


def picture(width, height, channels=3):
    """Waves with noise: every channel different, edges and flat parts."""
    y, x = np.mgrid[0:height, 0:width]
    waves = np.stack([128 + 110 * np.sin(x / (3 + c) + c) * np.cos(y / (4 - c / 2)) for c in range(channels)], -1)
    return np.clip(waves + random.normal(0, 12, waves.shape), 0, 255).astype(np.uint8)


def pillow_file(name, image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    files[name] = out.getvalue()


def jpeg_files():
    rgb, grey, cmyk = Image.fromarray(picture(33, 18)), Image.fromarray(picture(33, 18)[..., 0]), Image.fromarray(picture(17, 18, 4), "CMYK")
    for name, subsampling in (("444", 0), ("422", 1), ("420", 2), ("411", "4:1:1")):
        pillow_file(f"jpeg_{name}.jpg", rgb, "JPEG", quality=85, subsampling=subsampling)
    changed = bytearray(files["jpeg_444.jpg"])
    changed[changed.find(b"\xff\xc0") + 11] = 0x12  # luma has two rows for each of chroma; the data is read differently, that is all
    files["jpeg_440.jpg"] = bytes(changed)
    pillow_file("jpeg_progressive.jpg", rgb, "JPEG", quality=85, progressive=True)
    pillow_file("jpeg_restart.jpg", rgb, "JPEG", quality=60, restart_marker_blocks=2)
    pillow_file("jpeg_rgb.jpg", rgb, "JPEG", quality=60, keep_rgb=True)
    pillow_file("jpeg_grey.jpg", grey, "JPEG", quality=85)
    pillow_file("jpeg_1x1.jpg", Image.fromarray(picture(1, 1)), "JPEG", quality=85)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees: to be ignored
    pillow_file("jpeg_turned.jpg", rgb, "JPEG", quality=40, exif=exif)
    pillow_file("jpeg_cmyk.jpg", cmyk, "JPEG", quality=85)
    changed = bytearray(files["jpeg_cmyk.jpg"])
    changed[changed.find(b"Adobe") + 11] = 2
    files["jpeg_ycck.jpg"] = bytes(changed)
    for name in ("420", "grey", "cmyk"):
        whole = files[f"jpeg_{name}.jpg"]
        start = whole.find(b"\xff\xda")
        files[f"cut_{name}.jpg"] = whole[: start + (len(whole) - start) // 2]
    # An end-of-image marker is put after a file that ends inside a scan header: nothing can be read then, not even grey.
    whole = files["jpeg_progressive.jpg"]
    files["cut_progressive.jpg"] = whole[: whole.find(b"\xff\xda", whole.find(b"\xff\xda") + 2) + 6]


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_file(name, width, depth, colour_type, rows, extra=b""):
    header = struct.pack(">IIBBBBB", width, len(rows), depth, colour_type, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    files[name] = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")


# Adam7: first column, first row, column step, row step of each pass
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def interlaced_file(name, pixels, colour_type, extra=b""):
    height, width = pixels.shape[:2]
    data = b""
    for x, y, step_x, step_y in ADAM7:
        part = pixels[y::step_y, x::step_x]
        data += b"".join(b"\0" + row.tobytes() for row in part) if part.size else b""
    header = struct.pack(">IIBBBBB", width, height, 8 * pixels.itemsize, colour_type, 0, 0, 1)
    files[name] = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def packed(indices, depth):
    bits = [(i >> (depth - 1 - b)) & 1 for i in indices for b in range(depth)]
    return bytes(np.packbits(bits))


def png_files():
    width, height = 13, 9
    eight = [picture(width, height, c) for c in (1, 2, 3, 4)]
    sixteen = [random.integers(0, 65536, (height, width, c), dtype=np.uint16) for c in (1, 2, 3, 4)]
    sixteen[0][:, ::2] >>= 7  # around the place where clipping sets in
    colours = random.integers(0, 256, 3 * 256, dtype=np.uint8).tobytes()
    types = (0, 4, 2, 6)
    for name, eight_bit, sixteen_bit, colour_type in zip(("grey", "grey_alpha", "rgb", "rgba"), eight, sixteen, types):
        png_file(f"png_{name}_8.png", width, 8, colour_type, [row.tobytes() for row in eight_bit])
        png_file(f"png_{name}_16.png", width, 16, colour_type, [row.astype(">u2").tobytes() for row in sixteen_bit])
    png_file("png_grey_16_trns.png", width, 16, 0, [row.astype(">u2").tobytes() for row in sixteen[0]], chunk(b"tRNS", b"\0\x40"))
    png_file("png_rgb_8_trns.png", width, 8, 2, [row.tobytes() for row in eight[2]], chunk(b"tRNS", b"\0\x40\0\x41\0\x42"))
    for depth in (1, 2, 4, 8):
        values = random.integers(0, 1 << depth, (height, width))
        rows, palette = [packed(row, depth) for row in values], chunk(b"PLTE", colours[: 3 << depth])
        png_file(f"png_grey_{depth}.png", width, depth, 0, rows)
        png_file(f"png_palette_{depth}.png", width, depth, 3, rows, palette)
        png_file(f"png_palette_{depth}_trns.png", width, depth, 3, rows, palette + chunk(b"tRNS", b"\0\x80"))
    png_file("png_palette_short.png", 4, 8, 3, [bytes((0, 1, 2, 200))], chunk(b"PLTE", colours[:6]))
    interlaced_file("png_rgb_interlaced.png", eight[2], 2)
    interlaced_file("png_palette_interlaced.png", eight[0], 3, chunk(b"PLTE", colours))
    interlaced_file("png_grey_16_interlaced.png", sixteen[0].astype(">u2"), 0)
    interlaced_file("png_interlaced_1x2.png", eight[2][:2, :1], 2)


def bmp_file(name, width, bits, rows, palette=b"", colours=0, masks=b"", top_down=False, core=False):
    rows = [row + bytes(-len(row) % 4) for row in rows]
    data = b"".join(rows if top_down else rows[::-1])
    height = -len(rows) if top_down else len(rows)
    if core:
        header = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, 3 if masks else 0, len(data), 0, 0, colours, 0)
    offset = 14 + len(header) + len(masks) + len(palette)
    files[name] = b"BM" + struct.pack("<IHHI", offset + len(data), 0, 0, offset) + header + masks + palette + data


def bmp_files():
    width, height = 13, 7
    rgb = picture(width, height)
    rows = [row[:, ::-1].tobytes() for row in rgb]
    bmp_file("bmp_24.bmp", width, 24, rows)
    bmp_file("bmp_24_top_down.bmp", width, 24, rows, top_down=True)
    bmp_file("bmp_24_core.bmp", width, 24, rows, core=True)
    four = random.integers(0, 256, (height, width, 4), dtype=np.uint8)
    bmp_file("bmp_32.bmp", width, 32, [row.tobytes() for row in four])
    bmp_file("bmp_32_fields.bmp", width, 32, [row.tobytes() for row in four], masks=struct.pack("<3I", 0xFF000000, 0xFF0000, 0xFF00))
    words = random.integers(0, 65536, (height, width)).astype("<u2")
    bmp_file("bmp_16.bmp", width, 16, [row.tobytes() for row in words])
    bmp_file("bmp_16_565.bmp", width, 16, [row.tobytes() for row in words], masks=struct.pack("<3I", 0xF800, 0x7E0, 0x1F))
    colours = random.integers(0, 256, 4 * 256, dtype=np.uint8).tobytes()
    for bits in (1, 4, 8):
        values = [packed(row, bits) for row in random.integers(0, 1 << bits, (height, width))]
        bmp_file(f"bmp_palette_{bits}.bmp", width, bits, values, palette=colours[: 4 << bits])
    bmp_file("bmp_palette_core.bmp", width, 4, [packed(row, 4) for row in random.integers(0, 16, (height, width))], palette=colours[:48], core=True)
    bmp_file("bmp_palette_short.bmp", 4, 8, [bytes((0, 1, 2, 200))], palette=colours[:8], colours=2)
    bmp_file("bmp_grey.bmp", width, 8, [row.tobytes() for row in rgb[..., 0]], palette=b"".join(bytes((i, i, i, 0)) for i in range(256)))


def decode(name):
    ImageFile.LOAD_TRUNCATED_IMAGES = name.startswith("cut_")
    return np.asarray(Image.open(io.BytesIO(files[name])).convert("RGB"))


def resized():
    """Against one source of noise, the hardest case for rounding; 22 columns and fewer are narrower than the widest vector."""
    source = random.integers(0, 256, (31, 23, 3), dtype=np.uint8)
    source[10:20, 5:15] = np.where(source[10:20, 5:15] > 127, 255, 0)  # overshoots
    tensors = {"resize.source": source}
    image = Image.fromarray(source)
    for width, height in ((1, 1), (1, 31), (23, 1), (2, 34), (23, 40), (30, 31), (27, 5), (11, 33), (12, 16), (9, 3), (22, 29), (23, 31)):
        for name, kind in FILTERS.items():
            tensors[f"resize.{width}x{height}.{name}"] = np.asarray(image.resize((width, height), kind))
            if kind != Image.NEAREST and height < 31:
                both = image.resize((width, 31), kind).resize((width, height), kind)
                tensors[f"resize_horizontal.{width}x{height}.{name}"] = np.asarray(both)
    return tensors


def main():
    folder = GOLDEN / "images"
    folder.mkdir(exist_ok=True)
    for make in (jpeg_files, png_files, bmp_files):
        make()
    tensors = resized()
    for name, content in files.items():
        (folder / name).write_bytes(content)
        tensors[f"decode.{name}"] = decode(name)
    path = GOLDEN / "images.safetensors"
    save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, str(path))
    path.chmod(0o644)
    print(f"{len(files)} files, {sum(map(len, files.values()))} bytes; {path.name}: {len(tensors)} tensors, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
