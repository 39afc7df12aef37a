#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Some thirty architectures of transformers, random weights and few layers, against ONNX Runtime: finds what nobody looked at.
Needs `scripts/setup --torch`. Not among them is what torch's exporter writes no valid model of (Mixtral, Mamba, Cohere, StableLM).

The widths are those of small real models: 256 for text, images of 224 x 224, 30 s of speech. Files stay in build/models/arch-*.
"""

import contextlib
import functools
import io
import warnings

import numpy as np
from common import ROOT, main

from testing.measure import Case

MODELS = ROOT / "build" / "models"
TEXT = {"hidden_size": 256, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 1024, "vocab_size": 2000,
        "max_position_embeddings": 512}
PATCHES = {"hidden_size": 256, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 1024, "image_size": 224}
GROUPED = {"num_key_value_heads": 2}

# name: (kind of input, class of the configuration, class of the model, what differs from TEXT or PATCHES)
ARCHITECTURES = {
    "bert": ("text", "BertConfig", "BertModel", {}),
    "roberta": ("text", "RobertaConfig", "RobertaModel", {}),
    "electra": ("text", "ElectraConfig", "ElectraModel", {"embedding_size": 128}),
    "deberta-v2": ("text", "DebertaV2Config", "DebertaV2Model", {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]}),
    "mpnet": ("text", "MPNetConfig", "MPNetModel", {}),
    "albert": ("text", "AlbertConfig", "AlbertModel", {"embedding_size": 128}),
    "modernbert": ("text", "ModernBertConfig", "ModernBertModel",
                   {"pad_token_id": 0, "cls_token_id": 1, "sep_token_id": 2, "bos_token_id": 1, "eos_token_id": 2}),
    "esm": ("text", "EsmConfig", "EsmModel", {"pad_token_id": 1, "mask_token_id": 3}),
    "t5": ("text", "T5Config", "T5EncoderModel", {"d_model": 256, "num_layers": 3, "num_heads": 4, "d_ff": 1024, "d_kv": 64}),
    "clip-text": ("text", "CLIPTextConfig", "CLIPTextModel", {}),
    "qwen3": ("text", "Qwen3Config", "Qwen3Model", {**GROUPED, "head_dim": 64}),
    "gemma2": ("text", "Gemma2Config", "Gemma2Model", {**GROUPED, "head_dim": 64}),
    "gemma3": ("text", "Gemma3TextConfig", "Gemma3TextModel", {**GROUPED, "head_dim": 64, "sliding_window": 64}),
    "mistral": ("text", "MistralConfig", "MistralModel", {**GROUPED, "sliding_window": 64}),
    "phi3": ("text", "Phi3Config", "Phi3Model", {**GROUPED, "pad_token_id": 0}),
    "falcon": ("text", "FalconConfig", "FalconModel", {"alibi": False}),
    "bloom": ("text", "BloomConfig", "BloomModel", {"n_layer": 3, "n_head": 4}),
    "gpt-neox": ("text", "GPTNeoXConfig", "GPTNeoXModel", {}),
    "opt": ("text", "OPTConfig", "OPTModel", {"ffn_dim": 1024, "word_embed_proj_dim": 256}),
    "olmo2": ("text", "Olmo2Config", "Olmo2Model", GROUPED),
    "granite": ("text", "GraniteConfig", "GraniteModel", GROUPED),
    "vit": ("image", "ViTConfig", "ViTModel", PATCHES),
    "dinov2": ("image", "Dinov2Config", "Dinov2Model", PATCHES),
    "clip-vision": ("image", "CLIPVisionConfig", "CLIPVisionModel", PATCHES),
    "siglip": ("image", "SiglipVisionConfig", "SiglipVisionModel", PATCHES),
    "swin": ("image", "SwinConfig", "SwinModel", {"embed_dim": 48, "depths": [2, 2, 2, 2], "num_heads": [2, 4, 8, 16]}),
    "swin-v2": ("image", "Swinv2Config", "Swinv2Model", {"embed_dim": 48, "depths": [2, 2], "num_heads": [2, 4], "window_size": 7}),
    "convnext": ("image", "ConvNextConfig", "ConvNextModel", {"hidden_sizes": [48, 96, 192, 384], "depths": [2, 2, 2, 2]}),
    "poolformer": ("image", "PoolFormerConfig", "PoolFormerModel", {"depths": [1, 1, 2, 1]}),
    "segformer": ("image", "SegformerConfig", "SegformerForSemanticSegmentation", {"depths": [1, 1, 1, 1]}),
    "dpt": ("image", "DPTConfig", "DPTForDepthEstimation",
            {**PATCHES, "num_hidden_layers": 4, "backbone_out_indices": [0, 1, 2, 3], "neck_hidden_sizes": [32, 64, 128, 128],
             "fusion_hidden_size": 64}),
    "mobilenet-v2": ("image", "MobileNetV2Config", "MobileNetV2Model", {}),
    "mobilevit": ("image", "MobileViTConfig", "MobileViTModel", {"image_size": 224}),
    "regnet": ("image", "RegNetConfig", "RegNetModel", {"depths": [1, 2, 2, 1]}),
    "resnet": ("image", "ResNetConfig", "ResNetModel", {"depths": [1, 2, 2, 1]}),
    "wav2vec2": ("wave", "Wav2Vec2Config", "Wav2Vec2Model",
                 {"hidden_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 1024}),
    "whisper-encoder": ("speech", "WhisperConfig", "WhisperModel",
                        {"d_model": 256, "encoder_layers": 2, "decoder_layers": 1, "encoder_attention_heads": 4,
                         "decoder_attention_heads": 4, "encoder_ffn_dim": 1024, "decoder_ffn_dim": 512, "vocab_size": 2000,
                         "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}),
}
FREE = {"text": {0: "batch", 1: "length"}, "image": {0: "batch"}, "wave": {0: "batch", 1: "samples"}, "speech": {0: "batch"}}


def feeds(kind, batch, length):
    generator = np.random.default_rng(1)
    if kind == "text":
        return {"input_ids": generator.integers(3, 1990, (batch, length)), "attention_mask": np.ones((batch, length), np.int64)}
    shape = {"image": (batch, 3, 224, 224), "wave": (batch, 200 * length), "speech": (batch, 80, 3000)}[kind]
    return {"input": generator.standard_normal(shape, dtype=np.float32)}


def export(name, path):
    if path.exists():
        return
    import torch
    import transformers
    torch.manual_seed(0)
    kind, configuration, model, more = ARCHITECTURES[name]
    model = getattr(transformers, model)(getattr(transformers, configuration)(**{**(TEXT if kind == "text" else {}), **more}))
    model = model.encoder if kind == "speech" else model

    class One(torch.nn.Module):
        """The first tensor of the answer."""

        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, first, mask=None):
            return (self.model(first) if mask is None else self.model(first, attention_mask=mask))[0]

    inputs = feeds(kind, 2, 32)
    with torch.no_grad(), warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        # Batch norms get the statistics of what goes through them; without, values vanish from layer to layer.
        for module in model.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.momentum = 1.0
        One().train()(*(torch.from_numpy(v) for v in inputs.values()))
        torch.onnx.export(One().eval(), tuple(torch.from_numpy(v) for v in inputs.values()), str(path), input_names=list(inputs),
                          output_names=["y"], dynamic_axes={n: FREE[kind] for n in inputs}, opset_version=17, dynamo=False)


def cases():
    for name, (kind, *_) in ARCHITECTURES.items():
        path = MODELS / f"arch-{name}.onnx"
        yield Case(name, path, feeds(kind, 1, 128), prepare=functools.partial(export, name, path))


if __name__ == "__main__":
    main("architectures", __doc__, cases)
