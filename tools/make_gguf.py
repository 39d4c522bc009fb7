"""Write a GGUF file of a real shape with random weights, to measure speed with: ``make_gguf.py OUT.gguf``.

Needs the ``gguf`` package, which promptlab itself does not. The vocabulary is made here: control tokens of ChatML,
all bytes, and some thousand words, so any text can be tokenised. The output rows of control tokens are zero, so that
greedy decoding never ends an answer early: every engine that is measured writes the same number of tokens.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
import numpy.typing as npt

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CONTROL, BYTE, NORMAL, UNKNOWN = 3, 6, 1, 2  # token types of the format
SYLLABLES = [first + second for first in "bdfgklmnprstvw" for second in ("a", "e", "i", "o", "u", "an", "er", "in")]
TYPES = {
    "f16": (gguf.GGMLQuantizationType.F16, gguf.LlamaFileType.MOSTLY_F16),
    "q8_0": (gguf.GGMLQuantizationType.Q8_0, gguf.LlamaFileType.MOSTLY_Q8_0),
    "q4_0": (gguf.GGMLQuantizationType.Q4_0, gguf.LlamaFileType.MOSTLY_Q4_0),
}


@dataclass(frozen=True)
class Shape:
    """Sizes of a llama model; ``width`` is a multiple of 256."""

    width: int
    layers: int
    heads: int
    groups: int
    hidden: int
    vocabulary: int


SHAPES = {
    "tiny": Shape(256, 2, 4, 2, 512, 1024),
    "25m": Shape(512, 6, 8, 4, 1280, 8000),
    "110m": Shape(768, 14, 12, 4, 2048, 16000),
}


def vocabulary(size: int) -> tuple[list[str], list[float], list[int]]:
    """Texts, scores and types of the tokens: longer texts are put together from shorter ones."""
    texts = ["<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>", *(f"<0x{byte:02X}>" for byte in range(256))]
    types = [UNKNOWN, CONTROL, CONTROL, CONTROL, CONTROL, *[BYTE] * 256]
    words = ["\u2581", *map(chr, range(33, 127))]
    words += [f"\u2581{one}" for one in "abcdefghijklmnopqrstuvwxyz"]
    words += SYLLABLES + [f"\u2581{one}"[:length] for one in SYLLABLES for length in range(2, len(one) + 2)]
    words += [f"\u2581{one}{two}" for one in SYLLABLES for two in SYLLABLES]
    kept = list(dict.fromkeys(words))[: size - len(texts)]
    kept += [f"\u2581no{number}" for number in range(size - len(texts) - len(kept))]
    scores = [0.0] * len(texts) + [-float(rank) for rank in range(len(kept))]
    return texts + kept, scores, types + [NORMAL] * len(kept)


def write(path: Path, shape: Shape, kind: str, context: int, seed: int) -> None:
    """Write the file; the same arguments give the same bytes."""
    quantisation, file_type = TYPES[kind]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name(f"random-{path.stem}")
    writer.add_file_type(file_type)
    writer.add_context_length(context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.groups)
    writer.add_rope_dimension_count(shape.width // shape.heads)
    writer.add_layer_norm_rms_eps(1e-5)
    texts, scores, types = vocabulary(shape.vocabulary)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(texts)
    writer.add_token_scores(scores)
    writer.add_token_types(types)
    writer.add_bos_token_id(texts.index("<s>"))
    writer.add_eos_token_id(texts.index("<|im_end|>"))
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHATML)
    silent = [index for index, token in enumerate(types) if token in (CONTROL, UNKNOWN)]
    _write_weights(writer, shape, quantisation, silent, np.random.default_rng(seed))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _write_weights(
    writer: gguf.GGUFWriter,
    shape: Shape,
    quantisation: gguf.GGMLQuantizationType,
    silent: list[int],
    random: np.random.Generator,
) -> None:
    def matrix(rows: int, columns: int, scale: float = 1.0) -> npt.NDArray[np.float32]:
        return random.standard_normal((rows, columns), np.float32) * np.float32(scale / columns**0.5)

    def put(name: str, weights: npt.NDArray[np.float32]) -> None:
        writer.add_tensor(f"{name}.weight", gguf.quantize(weights, quantisation), raw_dtype=quantisation)

    def put_norm(name: str) -> None:
        writer.add_tensor(f"{name}.weight", np.ones(shape.width, np.float32))

    narrow = shape.width // shape.heads * shape.groups
    put("token_embd", matrix(shape.vocabulary, shape.width, scale=shape.width**0.5))
    output = matrix(shape.vocabulary, shape.width, scale=3.0)
    output[silent] = 0
    put("output", output)
    put_norm("output_norm")
    for layer in (f"blk.{number}." for number in range(shape.layers)):
        put_norm(layer + "attn_norm")
        put(layer + "attn_q", matrix(shape.width, shape.width))
        put(layer + "attn_k", matrix(narrow, shape.width))
        put(layer + "attn_v", matrix(narrow, shape.width))
        put(layer + "attn_output", matrix(shape.width, shape.width))
        put_norm(layer + "ffn_norm")
        put(layer + "ffn_gate", matrix(shape.hidden, shape.width))
        put(layer + "ffn_up", matrix(shape.hidden, shape.width))
        put(layer + "ffn_down", matrix(shape.width, shape.hidden))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--shape", default="110m", choices=SHAPES)
    parser.add_argument("--type", default="q4_0", choices=TYPES)
    parser.add_argument("--context", type=int, default=4096)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    write(asked.out, SHAPES[asked.shape], asked.type, asked.context, asked.seed)
