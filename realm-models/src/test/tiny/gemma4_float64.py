#!/usr/bin/env python3
"""The tiny gemma4 model's reference: a forward pass in float64, from the definition of the graph in
llama.cpp (src/models/gemma4.cpp, 2026), because llama.cpp of February 2025 does not know the
architecture. ik_llama.cpp of 15 August 2026 (8337e4cd3861, flash attention, F16 KV) agrees to the
number this prints when given its logits.

usage: gemma4_float64.py OUT [IK_JSON]
"""
import gzip, json, sys
import numpy as np
from tiny_models import D, H, L, WINDOW, PROMPT, GREEDY, CTX, gemma4

model = gemma4()
W = {name: w.astype("f8").reshape(ne[::-1]) for name, ne, w in model.weights()}
sliding = model.meta["attention.sliding_window_pattern"]
E, LAYERS, KEEPING = 32, 6, 4


def rms(x, w=1.0):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * w


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x ** 3)))


def rope(x, base, dims, factors):
    f = base ** (-2 * np.arange(dims // 2) / dims) / factors
    angle = np.arange(len(x))[:, None] * f
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    a, b = x[..., :dims // 2], x[..., dims // 2:dims]
    return np.concatenate([a * cos - b * sin, a * sin + b * cos, x[..., dims:]], -1)


def forward(ids):
    n = len(ids)
    x = W["token_embd.weight"][ids] * np.sqrt(D)
    projected = (x @ W["per_layer_model_proj.weight"].T / np.sqrt(D)).reshape(n, LAYERS, E)
    selected = np.sqrt(E) * W["per_layer_token_embd.weight"][ids].reshape(n, LAYERS, E)
    inputs = (rms(projected, W["per_layer_proj_norm.weight"]) + selected) / np.sqrt(2)
    kept = {}
    for layer in range(LAYERS):
        def w(name):
            return W.get("blk.%d.%s.weight" % (layer, name))
        local = sliding[layer]
        length, kv = (8, 4) if local else (16, 2)
        def turn(t):
            return rope(t, 1e4, 8, 1.0) if local else rope(t, 1e6, 16, W["rope_freqs.weight"])
        h = rms(x, w("attn_norm"))
        q = turn(rms((h @ w("attn_q").T).reshape(n, H, length), w("attn_q_norm")))
        if layer < KEEPING:
            keys = h @ w("attn_k").T
            values = keys if w("attn_v") is None else h @ w("attn_v").T
            kept[local] = (turn(rms(keys.reshape(n, kv, length), w("attn_k_norm"))),
                           rms(values.reshape(n, kv, length)))
        k, v = kept[local]
        attended = np.zeros((n, H, length))
        row, col = np.indices((n, n))
        hidden = (col > row) | (local & (row - col >= WINDOW))
        for head in range(H):
            g = head // (H // kv)
            scores = np.where(hidden, -np.inf, q[:, head] @ k[:, g].T)
            p = np.exp(scores - scores.max(-1, keepdims=True))
            attended[:, head] = p / p.sum(-1, keepdims=True) @ v[:, g]
        x = x + rms(attended.reshape(n, -1) @ w("attn_output").T, w("post_attention_norm"))
        h = rms(x, w("ffn_norm"))
        fed = (gelu(h @ w("ffn_gate").T) * (h @ w("ffn_up").T)) @ w("ffn_down").T
        x = x + rms(fed, w("post_ffw_norm"))
        x = x + rms((gelu(x @ w("inp_gate").T) * inputs[:, layer]) @ w("proj").T, w("post_norm"))
        x = x * w("layer_output_scale")
    logits = rms(x, W["output_norm.weight"]) @ W["token_embd.weight"].T
    return 15 * np.tanh(logits / 15)


logits = forward(PROMPT)[-2:]
if len(sys.argv) > 2:
    other = np.array(json.load(open(sys.argv[2]))["logits"])
    print("relative difference %.1e" % (np.linalg.norm(logits - other) / np.linalg.norm(logits)))
ids, greedy, margins = list(PROMPT), [], []
for _ in range(GREEDY):
    last = forward(ids)[-1]
    best = np.argsort(last)[::-1]
    greedy.append(int(best[0]))
    margins.append(round(float(last[best[0]] - last[best[1]]), 6))
    ids.append(greedy[-1])
with gzip.GzipFile(sys.argv[1] + "/gemma4.gguf.gz", "wb", 9, mtime=0) as f:
    f.write(model.bytes())
with open(sys.argv[1] + "/gemma4.json", "w") as f:
    json.dump({"reference": "float64 forward pass, gemma4_float64.py", "n_ctx": CTX, "ids": PROMPT,
               "logits": [[float("%.7g" % v) for v in row] for row in logits],
               "greedy": greedy, "greedy_margin": margins}, f, separators=(",", ":"))
    f.write("\n")
