#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Exports small models of transformers, random weights, with torch's own exporters: needs `scripts/setup --torch`.

    export_transformers.py gpt2 llama vit resnet bert [--exporter torchscript|dynamo] [--attention eager|sdpa]

Writes build/models/hf-NAME.onnx and hf-NAME.npz, which holds inputs (in.NAME) and torch's own answers (out.NAME).
"""

import argparse
import pathlib
import warnings

import numpy as np
import torch
import transformers

from graph_builder import MODELS_DIR

LAYERS, VOCABULARY = 2, 500


class Decoder(torch.nn.Module):
    """A causal language model with its cache as plain tensors."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, position_ids, *past):
        cache = transformers.DynamicCache()
        for layer in range(LAYERS):
            cache.update(past[2 * layer], past[2 * layer + 1], layer)
        out = self.model(input_ids=input_ids, attention_mask=attention_mask, position_ids=position_ids,
                         past_key_values=cache, use_cache=True)
        present = [t for layer in out.past_key_values.layers for t in (layer.keys, layer.values)]
        return (out.logits, *present)


class Named(torch.nn.Module):
    """One tensor of a model's answer."""

    def __init__(self, model, names, field):
        super().__init__()
        self.model, self.names, self.field = model, names, field

    def forward(self, *inputs):
        return (getattr(self.model(**dict(zip(self.names, inputs))), self.field),)


def decoder(model, kv_heads, head_size):
    batch, past, seq = 2, 5, 3
    caches = {f"past_key_values.{layer}.{part}": torch.randn(batch, kv_heads, past, head_size)
              for layer in range(LAYERS) for part in ("key", "value")}
    inputs = {"input_ids": torch.randint(0, VOCABULARY, (batch, seq)),
              "attention_mask": torch.ones(batch, past + seq, dtype=torch.int64),
              "position_ids": torch.arange(past, past + seq).expand(batch, seq).contiguous(), **caches}
    axes = {"input_ids": {0: "batch", 1: "seq"}, "attention_mask": {0: "batch", 1: "total"},
            "position_ids": {0: "batch", 1: "seq"}, **{name: {0: "batch", 2: "past"} for name in caches}}
    outputs = ["logits", *(name.replace("past_key_values", "present") for name in caches)]
    return Decoder(model), inputs, axes, outputs


def gpt2(attention):
    config = transformers.GPT2Config(n_layer=LAYERS, n_embd=64, n_head=4, n_positions=128, vocab_size=VOCABULARY,
                                     attn_implementation=attention, initializer_range=0.15)
    return decoder(transformers.GPT2LMHeadModel(config), 4, 16)


def llama(attention):
    config = transformers.LlamaConfig(num_hidden_layers=LAYERS, hidden_size=64, num_attention_heads=4,
                                      num_key_value_heads=2, intermediate_size=176, vocab_size=VOCABULARY,
                                      attn_implementation=attention, initializer_range=0.15)
    return decoder(transformers.LlamaForCausalLM(config), 2, 16)


def vit(attention):
    config = transformers.ViTConfig(num_hidden_layers=LAYERS, hidden_size=64, num_attention_heads=4,
                                    intermediate_size=256, image_size=32, patch_size=8, num_labels=10,
                                    attn_implementation=attention, initializer_range=0.15)
    inputs = {"pixel_values": torch.randn(2, 3, 32, 32)}
    return (Named(transformers.ViTForImageClassification(config), list(inputs), "logits"), inputs,
            {"pixel_values": {0: "batch"}}, ["logits"])


def resnet(_):
    config = transformers.ResNetConfig(embedding_size=16, hidden_sizes=[32, 64], depths=[1, 2], num_labels=10)
    inputs = {"pixel_values": torch.randn(2, 3, 48, 32)}
    return (Named(transformers.ResNetForImageClassification(config), list(inputs), "logits"), inputs,
            {"pixel_values": {0: "batch", 2: "height", 3: "width"}}, ["logits"])


def bert(attention):
    config = transformers.BertConfig(num_hidden_layers=LAYERS, hidden_size=64, num_attention_heads=4,
                                     intermediate_size=256, vocab_size=VOCABULARY, attn_implementation=attention,
                                     initializer_range=0.15)
    mask = torch.ones(2, 7, dtype=torch.int64)
    mask[1, 5:] = 0
    inputs = {"input_ids": torch.randint(0, VOCABULARY, (2, 7)), "attention_mask": mask}
    return (Named(transformers.BertModel(config), list(inputs), "last_hidden_state"), inputs,
            {name: {0: "batch", 1: "seq"} for name in inputs}, ["last_hidden_state"])


BUILDERS = {"gpt2": gpt2, "llama": llama, "vit": vit, "resnet": resnet, "bert": bert}


def export(name, arguments):
    torch.manual_seed(0)
    module, inputs, axes, outputs = BUILDERS[name](arguments.attention)
    module.eval()
    path = arguments.out / f"hf-{name}.onnx"
    values = tuple(inputs.values())
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        answers = module(*values)
        if arguments.exporter == "torchscript":
            axes = {**axes, **{n: {i: f"{n}_{i}" for i in range(a.dim())} for n, a in zip(outputs, answers)}}
            torch.onnx.export(module, values, str(path), input_names=list(inputs), output_names=outputs,
                              dynamic_axes=axes, opset_version=17, dynamo=False)
        else:
            dims = {}
            shapes = [{i: dims.setdefault(s, torch.export.Dim.DYNAMIC) for i, s in axes[n].items()} for n in inputs]
            if isinstance(module, (Decoder, Named)):
                fixed = 3 if isinstance(module, Decoder) else 0
                shapes = (*shapes[:fixed], tuple(shapes[fixed:]))
            torch.onnx.export(module, values, str(path), input_names=list(inputs), output_names=outputs,
                              dynamic_shapes=shapes, dynamo=True, external_data=False, verbose=False)
    np.savez(path.with_suffix(".npz"), **{f"in.{n}": v.numpy() for n, v in inputs.items()},
             **{f"out.{n}": v.numpy() for n, v in zip(outputs, answers)})
    print(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(BUILDERS), metavar="NAME", help=", ".join(BUILDERS))
    parser.add_argument("--exporter", choices=["torchscript", "dynamo"], default="torchscript")
    parser.add_argument("--attention", choices=["eager", "sdpa"], default="eager")
    parser.add_argument("--out", type=pathlib.Path, default=MODELS_DIR)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in arguments.names:
        export(name, arguments)


if __name__ == "__main__":
    main()
