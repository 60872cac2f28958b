FILTERS = {
    name: getattr(Image.Resampling, name.upper()) for name in ("nearest", "bilinear", "bicubic", "lanczos", "box", "hamming")
}
GRAY = {"1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L", "I;16N"}
DEEP = {"I", "F", "I;16", "I;16B", "I;16L", "I;16N"}


def prepare(path):
    """The image as uint8 (channels, SIZE, SIZE): upright, short side resized to SHORT, the centre cut out."""
    with Image.open(path) as image:
        size = image.size
        drafted = image.draft(None, resized(size, SHORT))  # JPEGs decode faster at a smaller scale
        filled = drafted[1][2:] if drafted else image.size
        image.load()
        turn = image.getexif().get(0x0112, 1)
        turn = turn if turn in range(2, 9) else 1
        picture = plain(ImageOps.exif_transpose(image))
    if turn >= 5:  # width and height are exchanged
        size, filled = size[::-1], filled[::-1]
    left = picture.width - filled[0] if turn in (2, 3, 6, 7) else 0
    top = picture.height - filled[1] if turn in (3, 4, 7, 8) else 0
    box = (left, top, left + filled[0], top + filled[1])
    longest = 8 * min(size)
    if max(size) > longest:  # a strip is shortened before it is enlarged
        left, top = max(0, (picture.width - longest) // 2), max(0, (picture.height - longest) // 2)
        picture = picture.crop((left, top, left + min(picture.width, longest), top + min(picture.height, longest)))
        size, box = picture.size, (0, 0, *picture.size)
    width, height = resized(size, SHORT)
    picture = picture.resize((width, height), FILTERS[INTERPOLATION], box=box)
    left, top = round((width - SIZE) / 2), round((height - SIZE) / 2)
    cut = np.asarray(picture.crop((left, top, left + SIZE, top + SIZE)))
    cut = cut if cut.dtype == np.uint8 else np.clip(np.rint(cut), 0, 255).astype(np.uint8)
    return channels(cut.reshape(SIZE, SIZE, -1)).transpose(2, 0, 1)


def resized(size, short):
    width, height = size
    return (short, int(short * height / width)) if width <= height else (int(short * width / height), short)


def plain(image):
    """As L, RGB or, for gray of more than eight bits, F stretched to 0..255; transparency is laid on white."""
    if image.mode in DEEP:
        values = np.asarray(image).astype(np.float64)
        low, high = values.min(), values.max()
        return Image.fromarray(((values - low) * (255.0 / (high - low) if high > low else 0.0)).astype(np.float32))
    gray = image.mode in GRAY
    if image.mode in ("LA", "La", "RGBA", "RGBa", "PA") or "transparency" in image.info:
        colours = image.convert("RGBA")
        white = Image.new("RGBA", colours.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, colours).convert("L" if gray else "RGB")
    return image.convert("L" if gray else "RGB")


def channels(pixels):
    """(SIZE, SIZE, 1 or 3) with as many channels as the network takes."""
    if pixels.shape[2] == 3 and CHANNELS == 1:
        red, green, blue = np.moveaxis(pixels.astype(np.int64), 2, 0)
        return ((19595 * red + 38470 * green + 7471 * blue + 32768) >> 16).astype(np.uint8)[..., None]
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 and CHANNELS == 3 else pixels


def said(named):
    """The most probable class; of several labels those at or above their thresholds, with bars between them."""
    if not THRESHOLDS:
        return max(named, key=named.get)
    return "|".join(name for name, least in zip(CLASSES, THRESHOLDS) if named[name] >= least) or "none"


def answer(paths):
    """A JSON object a line: file, label, probabilities; for a file that cannot be read, file and error."""
    for start in range(0, len(paths), 32):
        batch, readable = [], []
        for path in paths[start : start + 32]:
            try:
                batch.append(prepare(path))
                readable.append(path)
            except Exception as error:
                print(json.dumps({"file": path, "error": str(error) or type(error).__name__}))
        for path, row in zip(readable, probabilities(np.stack(batch)) if batch else []):
            named = {name: float(value) for name, value in zip(CLASSES, row)}
            print(json.dumps({"file": path, "label": said(named), "probabilities": named}, ensure_ascii=False))


def given(words):
    """The files that the command line names; `-`: a path a line on standard input."""
    return [line.rstrip("\n") for line in sys.stdin if line.strip()] if words == ["-"] else words
