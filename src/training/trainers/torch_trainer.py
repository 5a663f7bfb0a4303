"""A trainer for `weft train` that computes with PyTorch (1.13 or later), and with nothing else.

It speaks the protocol of docs/trainer-protocol.md: a JSON object a line on stdin and stdout, tensors in
safetensors files. The model is Llama's shape with Hugging Face's names, the optimiser AdamW or SGD with
Nesterov momentum, both as src/exact/SPEC.md has them, so that a segment comes out as the exact engine's does
but for rounding. Try it by hand: `python3 torch_trainer.py --device cpu --threads 2`.
"""

import argparse
import ctypes
import json
import math
import struct
import sys

import torch
import torch.nn.functional as F

VERSION = 1


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options.add_argument("--threads", type=int, default=0, help="of the processor; 0: as many as PyTorch takes")
    chosen = options.parse_args()
    if chosen.threads > 0:
        torch.set_num_threads(chosen.threads)
    recipe = None
    for line in sys.stdin:
        try:
            request = json.loads(line)
            if request["type"] == "begin":
                if request["version"] != VERSION:
                    raise ValueError(f"this trainer speaks version {VERSION}, not {request['version']}")
                recipe = request["recipe"]
                say(type="ready", name=f"torch {torch.__version__} on {chosen.device}")
            elif request["type"] == "segment":
                train(recipe, request, chosen.device)
                say(type="done")
            else:
                raise ValueError(f"there is no request {request['type']}")
        except Exception as error:  # The node decides what to do about it.
            say(type="error", message=f"{type(error).__name__}: {error}")


def say(**message):
    print(json.dumps(message), flush=True)


def train(recipe, request, device):
    """One segment: every row of `tokens` is a step; parameters in, parameters out."""
    tensors = read_safetensors(request["input"])
    tokens = tensors.pop("tokens").to(device).long()
    model = recipe["model"]
    tables = {name: t.to(device) for name, t in tensors.items() if name.startswith("rotary.")}
    weights = {
        name: t.to(device).requires_grad_() for name, t in tensors.items() if name not in tables
    }
    optimiser = Optimiser(recipe, weights)
    for index, batch in enumerate(tokens):
        loss = loss_of(model, weights, tables, batch)
        slopes = torch.autograd.grad(loss, list(weights.values()))
        rate, norm = optimiser.step(dict(zip(weights, slopes)), request["firstStep"] + index)
        say(type="step", loss=loss.item(), gradientNorm=norm, learningRate=rate)
    write_safetensors(request["output"], {name: w.detach().cpu() for name, w in weights.items()})


def loss_of(model, weights, tables, batch):
    """Mean cross-entropy, in nats, of each token but the first; batch [rows, length + 1]."""
    logits = logits_of(model, weights, tables, batch[:, :-1])
    return F.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())


def logits_of(model, weights, tables, tokens):
    length = tokens.shape[1]
    cos, sin = tables["rotary.cos"][:length], tables["rotary.sin"][:length]
    after = torch.full((length, length), -math.inf, device=tokens.device).triu(1)
    x = weights["model.embed_tokens.weight"][tokens]
    for layer in range(model["layers"]):
        part = lambda name: weights[f"model.layers.{layer}.{name}.weight"]
        x = x + attention(model, part, rms_norm(model, x, part("input_layernorm")), cos, sin, after)
        x = x + feed_forward(model, part, rms_norm(model, x, part("post_attention_layernorm")))
    head = "model.embed_tokens.weight" if model["isTied"] else "lm_head.weight"
    return rms_norm(model, x, weights["model.norm.weight"]) @ weights[head].T


def attention(model, part, x, cos, sin, after):
    heads, key_heads, size = model["heads"], model["keyHeads"], model["headSize"]
    rows, length, _ = x.shape
    split = lambda y, n: y.view(rows, length, n, size).transpose(1, 2)
    q = rotate(split(x @ part("self_attn.q_proj").T, heads), cos, sin)
    k = rotate(split(x @ part("self_attn.k_proj").T, key_heads), cos, sin)
    v = split(x @ part("self_attn.v_proj").T, key_heads)
    k, v = (y.repeat_interleave(heads // key_heads, dim=1) for y in (k, v))
    seen = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(size) + after, dim=-1)
    mixed = (seen @ v).transpose(1, 2).reshape(rows, length, heads * size)
    return mixed @ part("self_attn.o_proj").T


def feed_forward(model, part, x):
    up = x @ part("mlp.up_proj").T
    inner = F.silu(x @ part("mlp.gate_proj").T) * up if model["feedForward"] == "swiglu" else F.relu(up) ** 2
    return inner @ part("mlp.down_proj").T


def rms_norm(model, x, gain):
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + model["epsilon"]) * gain


def rotate(x, cos, sin):
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, a * sin + b * cos), dim=-1)


class Optimiser:
    """AdamW with its bias corrections kept in the moments, or SGD; moments begin at zero in each segment."""

    def __init__(self, recipe, weights):
        self.weights = weights
        self.schedule = recipe["schedule"]
        self.clip = recipe.get("clipNorm")
        self.settings = {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, **recipe["optimiser"]}
        self.decay = self.settings.get("weightDecay", 0.01 if self.settings["kind"] == "adamw" else 0)
        self.first = {name: torch.zeros_like(w) for name, w in weights.items()}
        self.second = {name: torch.zeros_like(w) for name, w in weights.items()}

    @torch.no_grad()
    def step(self, slopes, step):
        norm = torch.sqrt(sum(g.square().sum() for g in slopes.values())).item()
        factor = self.clip / norm if self.clip is not None and not norm <= self.clip else 1.0
        rate = rate_of(self.schedule, step)
        move = self.adamw if self.settings["kind"] == "adamw" else self.sgd
        for name, weight in self.weights.items():
            decay = self.decay if weight.dim() > 1 else 0
            move(name, weight, slopes[name] * factor, rate, decay, step + 1)
        return rate, norm

    def adamw(self, name, weight, g, rate, decay, t):
        beta1, beta2 = self.settings["beta1"], self.settings["beta2"]
        m, v = self.first[name], self.second[name]
        m += (g - m) * ((1 - beta1) / (1 - beta1**t))
        v += (g * g - v) * ((1 - beta2) / (1 - beta2**t))
        weight -= rate * (decay * weight + m / (v.clamp(min=0).sqrt() + self.settings["epsilon"]))

    def sgd(self, name, weight, g, rate, decay, _):
        momentum, velocity = self.settings["momentum"], self.first[name]
        g = g + decay * weight
        velocity.mul_(momentum).add_(g)
        weight -= rate * (momentum * velocity + g)


def rate_of(schedule, step):
    """A line up over the warm-up, then flat, or half a cosine down to `floor` times the rate."""
    rate, warmup, decay = schedule["rate"], schedule.get("warmupSteps", 0), schedule.get("decay")
    if step < warmup:
        return rate * (step + 1) / warmup
    if decay is None:
        return rate
    done = min(1.0, (step - warmup) / max(1, decay["steps"] - warmup))
    return rate * (decay["floor"] + (1 - decay["floor"]) * (1 + math.cos(math.pi * done)) / 2)


DTYPES = {"F32": torch.float32, "I32": torch.int32}


def read_safetensors(path):
    """https://github.com/huggingface/safetensors: the header's length, the header as JSON, the bytes."""
    with open(path, "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
        body = bytearray(file.read())
    tensors = {}
    for name, info in header.items():
        if name == "__metadata__":
            continue
        begin, end = info["data_offsets"]
        flat = torch.frombuffer(body, dtype=DTYPES[info["dtype"]], offset=begin, count=(end - begin) // 4)
        tensors[name] = flat.reshape(info["shape"])
    return tensors


def write_safetensors(path, tensors):
    header, at = {}, 0
    for name, tensor in tensors.items():
        size = tensor.numel() * 4
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors.values():
            whole = tensor.contiguous()
            file.write(ctypes.string_at(whole.data_ptr(), whole.numel() * 4))


if __name__ == "__main__":
    main()
