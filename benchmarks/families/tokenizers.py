"""Small tokenizers in the form of the families': how they mark spaces, and what they put around a text."""

from collections.abc import Sequence

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers.trainers import BpeTrainer, UnigramTrainer
from transformers import PreTrainedTokenizerFast

TEXTS = [
    "What is the capital of Italy? Rome is the capital of Italy.",
    "Question: who sells seashells?\nAnswer: she sells seashells, unbelievable as it is.",
    "red green blue white black one two three four five six seven 2+2=4 3+4=7",
    "The sky is blue and the grass is green. Be brief. Answer: Paris",
] * 20
VOCABULARY = 400
# How Llama 3 and Qwen2 cut a text, in short: words with the space before them, digits, line ends.
PIECES = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
SPACE = "▁"
BYTES = [f"<0x{number:02X}>" for number in range(256)]


def byte_level(
    special: Sequence[str], *, before: str = "", behind: str = "", pieces: str = "", trim: bool = True
) -> Tokenizer:
    """Byte pairs, as in GPT-2; ``before`` and ``behind`` are special tokens that are put around a text."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if pieces:
        cut = pre_tokenizers.Split(Regex(pieces), "isolated")
        whole = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        made.pre_tokenizer = pre_tokenizers.Sequence([cut, whole])
    made.train_from_iterator(
        TEXTS,
        BpeTrainer(
            vocab_size=VOCABULARY, special_tokens=list(special), show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )  # fmt: skip
    made.decoder = decoders.ByteLevel()
    made.post_processor = processors.ByteLevel(trim_offsets=trim)
    return _around(made, before, behind)


def spaced(special: Sequence[str], *, prefix: bool, before: str = "") -> Tokenizer:
    """Byte pairs over words with a mark for the space, as in Llama-2; ``prefix``: before every text too."""
    made = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    made.pre_tokenizer = pre_tokenizers.Metaspace(SPACE, "first" if prefix else "never", split=True)
    size = VOCABULARY + len(BYTES)
    made.train_from_iterator(
        TEXTS, BpeTrainer(vocab_size=size, special_tokens=[*special, *BYTES], show_progress=False)
    )
    _decoded_by_bytes(made, prefix=prefix)
    return _around(made, before, "")


def normalised(special: Sequence[str], *, before: str = "") -> Tokenizer:
    """As Gemma: the normaliser marks the spaces, and nothing is put before the first word."""
    made = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    made.normalizer = normalizers.Replace(" ", SPACE)
    made.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    size = VOCABULARY + len(BYTES)
    made.train_from_iterator(
        [word for text in TEXTS for word in text.split(" ")],
        BpeTrainer(vocab_size=size, special_tokens=[*special, SPACE, *BYTES], show_progress=False),
    )
    _decoded_by_bytes(made, prefix=False)
    return _around(made, before, "")


def unigram(special: Sequence[str], *, before: str = "") -> Tokenizer:
    """As XGLM: the likeliest cut of a whole word, so a seam can move earlier tokens."""
    made = Tokenizer(models.Unigram())
    made.pre_tokenizer = pre_tokenizers.Metaspace(SPACE, "always")
    made.train_from_iterator(
        TEXTS,
        UnigramTrainer(
            vocab_size=VOCABULARY, special_tokens=list(special), unk_token="<unk>", show_progress=False,
            initial_alphabet=sorted({letter for text in TEXTS for letter in text}),
        ),
    )  # fmt: skip
    made.decoder = decoders.Metaspace(SPACE, "always")
    return _around(made, before, "")


def wrapped(
    made: Tokenizer, template: str | None, *, eos: str, bos: str | None = None
) -> PreTrainedTokenizerFast:
    """As transformers loads it."""
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]  # upstream
        tokenizer_object=made, bos_token=bos, eos_token=eos, chat_template=template
    )


def _decoded_by_bytes(made: Tokenizer, *, prefix: bool) -> None:
    """Bytes stand for what has no token; the mark is a space again, but not at the start of a text."""
    steps = [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    made.decoder = decoders.Sequence([*steps, *([decoders.Strip(" ", 1, 0)] if prefix else [])])


def _around(made: Tokenizer, before: str, behind: str) -> Tokenizer:
    used = [(token, made.token_to_id(token)) for token in {before, behind} if token]
    if used:
        single = " ".join(filter(None, [before, "$A", behind]))
        template = processors.TemplateProcessing(single=single, special_tokens=used)
        known = [made.post_processor] if made.post_processor is not None else []
        made.post_processor = processors.Sequence([*known, template])
    return made
