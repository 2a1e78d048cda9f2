#!/usr/bin/env python3
"""Writes tiny random models, one per architecture, and what llama.cpp computes with them.

usage: [NEWER=1] tiny_models.py RUNNER OUT [NAME...]

RUNNER is run_reference.cpp of this folder linked with llama.cpp (the committed files: commit
c392e5094dea of 21 February 2025, with the F16 look-up table of GELU switched off). With NEWER set, RUNNER is linked with ik_llama.cpp and the
architectures that came later are made; its KV cache is F16, so their tolerance is wider. With RUNNER
`-` only the models are written. The weights are seeded normal random numbers rounded to 4 mantissa bits.
Width 32, 4 heads, 48 tokens without a vocabulary, windows of 8, a prompt of 24.
"""
import gzip, json, os, struct, subprocess, sys
import numpy as np

D, H, KV, HD, FF, V, L, CTX, WINDOW = 32, 4, 2, 8, 24, 48, 2, 64, 8
PROMPT = [int(i) for i in np.random.default_rng(7).integers(0, V, 24)]
GREEDY = 8


class Model:
    def __init__(self, arch, layers=L, kv=KV, eps="rms", heads=H):
        self.arch, self.layers, self.kv = arch, layers, kv
        self.meta, self.tensors = {}, []
        self.set(context_length=CTX, embedding_length=D, block_count=layers, vocab_size=V,
                 feed_forward_length=FF)
        if heads:
            self.set(**{"attention.head_count": heads, "attention.head_count_kv": kv})
        self.set(**{"attention.layer_norm_rms_epsilon" if eps == "rms"
                    else "attention.layer_norm_epsilon": 1e-5})
        self.add("token_embd.weight", D, V, scale=1.0)

    def set(self, **values):
        self.meta.update(values)

    def rope(self, dims=HD, base=10000.0, **more):
        self.set(**{"rope.freq_base": base, "rope.dimension_count": dims, **more})

    def add(self, name, *ne, scale=None, around=0.0):
        self.tensors.append((name, ne, scale if scale else 1.5 / ne[0] ** 0.5, around))

    def norm(self, name, dim=D, bias=False, weight=True):
        if weight:
            self.add(name + ".weight", dim, scale=0.3, around=1.0)
        if bias:
            self.add(name + ".bias", dim, scale=0.3)

    def linear(self, name, cols, rows, bias=False):
        self.add(name + ".weight", cols, rows)
        if bias:
            self.add(name + ".bias", rows, scale=0.3)

    def ends(self, bias=False, tied=False, output_bias=False):
        self.norm("output_norm", bias=bias)
        if not tied:
            self.linear("output", D, V, bias=output_bias)

    def attention(self, b, bias=False, fused=False, out_bias=False, head=HD, heads=H):
        if fused:
            self.linear(b + "attn_qkv", D, (heads + 2 * self.kv) * head, bias)
        else:
            self.linear(b + "attn_q", D, heads * head, bias)
            self.linear(b + "attn_k", D, self.kv * head, bias)
            self.linear(b + "attn_v", D, self.kv * head, bias)
        self.linear(b + "attn_output", heads * head, D, out_bias)

    def gated(self, b, ff=FF, fused=False, bias=False):
        if fused:
            self.linear(b + "ffn_up", D, 2 * ff)
        else:
            self.linear(b + "ffn_gate", D, ff, bias)
            self.linear(b + "ffn_up", D, ff, bias)
        self.linear(b + "ffn_down", ff, D, bias)

    def ungated(self, b, bias=False):
        self.linear(b + "ffn_up", D, FF, bias)
        self.linear(b + "ffn_down", FF, D, bias)

    def experts(self, b, count=4, used=2, ff=24, bias=False):
        self.set(expert_count=count, expert_used_count=used, expert_feed_forward_length=ff)
        self.linear(b + "ffn_gate_inp", D, count, bias)
        for name, cols, rows in (("gate", D, ff), ("up", D, ff), ("down", ff, D)):
            self.add(b + "ffn_%s_exps.weight" % name, cols, rows, count)
            if bias:
                self.add(b + "ffn_%s_exps.bias" % name, rows, count, scale=0.3)

    def shared(self, b, ff=24):
        for name, cols, rows in (("gate", D, ff), ("up", D, ff), ("down", ff, D)):
            self.linear(b + "ffn_%s_shexp" % name, cols, rows)

    def blocks(self):
        return ["blk.%d." % i for i in range(self.layers)]

    def weights(self):
        rng = np.random.default_rng(sum(map(ord, self.arch)))
        result = []
        for name, ne, scale, around in self.tensors:
            w = (rng.standard_normal(int(np.prod(ne))) * scale + around).astype("<f4")
            bits = w.view("<u4")
            result.append((name, ne, ((bits + 0x40000) & 0xFFF80000).astype("<u4").view("<f4")))
        return result

    def bytes(self, weights=None):
        weights = weights or self.weights()
        def string(s):
            return struct.pack("<Q", len(s)) + s.encode()
        def value(v):
            if isinstance(v, bool):
                return struct.pack("<I?", 7, v)
            if isinstance(v, int):
                return struct.pack("<II", 4, v)
            if isinstance(v, float):
                return struct.pack("<If", 6, v)
            if isinstance(v, list) and isinstance(v[0], bool):
                return struct.pack("<IIQ", 9, 7, len(v)) + struct.pack("<%d?" % len(v), *v)
            if isinstance(v, list):
                return struct.pack("<IIQ", 9, 5, len(v)) + struct.pack("<%di" % len(v), *v)
            return struct.pack("<I", 8) + string(v)
        kv = {"general.architecture": self.arch, "tokenizer.ggml.model": "no_vocab",
              "tokenizer.ggml.token_type_count": 2}
        kv.update({self.arch + "." + k: v for k, v in self.meta.items()})
        head = struct.pack("<IIQQ", 0x46554747, 3, len(weights), len(kv))
        head += b"".join(string(k) + value(v) for k, v in kv.items())
        data = b""
        for name, ne, w in weights:
            head += string(name) + struct.pack("<I%dQIQ" % len(ne), len(ne), *ne, 0, len(data))
            data += w.astype("<f4").tobytes() + b"\0" * (-w.nbytes % 32)
        return head + b"\0" * (-len(head) % 32) + data


MODELS = {}


def model(f):
    MODELS[f.__name__.replace("_", "-")] = f
    return f


NEWER = set()


def newer(f):
    """A model that llama.cpp of February 2025 does not know; ik_llama.cpp of 15 August 2026
    (8337e4cd3861, flash attention, F16 KV) does."""
    NEWER.add(f.__name__.replace("_", "-"))
    return model(f)


def simple(arch, tied=False, bias=False, rope=True, layers=L, kv=KV):
    """Llama's tensors under another name."""
    m = Model(arch, layers, kv)
    if rope:
        m.rope()
    for b in m.blocks():
        m.norm(b + "attn_norm")
        m.attention(b, bias)
        m.norm(b + "ffn_norm")
        m.gated(b)
    m.ends(tied=tied)
    return m


def layered(arch, fused, bias, rope, kv=KV, gated=False, positions=False, layers=L, parallel=False,
            norm_bias=True, tied=False):
    """Layer norms, a feed-forward layer without a gate."""
    m = Model(arch, layers, kv, eps="layer")
    if rope:
        m.rope(rope)
    if positions:
        m.add("position_embd.weight", D, CTX, scale=0.5)
    for b in m.blocks():
        m.norm(b + "attn_norm", bias=norm_bias)
        m.attention(b, bias, fused, bias)
        if not parallel:
            m.norm(b + "ffn_norm", bias=norm_bias)
        m.gated(b, bias=bias) if gated else m.ungated(b, bias)
    m.ends(bias=norm_bias, tied=tied)
    return m


@model
def llama():
    return simple("llama", tied=True)


@model
def llama_yarn():
    m = simple("llama")
    m.set(**{"rope.scaling.type": "yarn", "rope.scaling.factor": 8.0,
             "rope.scaling.original_context_length": 16})
    return m


@model
def llama_factors():
    m = simple("llama", bias=True)
    m.add("rope_freqs.weight", HD // 2, scale=0.5, around=3.0)
    return m


@model
def mixtral():
    m = Model("llama")
    m.rope()
    for b in m.blocks():
        m.norm(b + "attn_norm")
        m.attention(b)
        m.norm(b + "ffn_norm")
        m.experts(b)
    m.ends()
    return m


@model
def qwen2():
    return simple("qwen2", bias=True)


@model
def qwen2moe():
    m = Model("qwen2moe")
    m.rope()
    m.set(expert_shared_feed_forward_length=16)
    for b in m.blocks():
        m.norm(b + "attn_norm")
        m.attention(b, True)
        m.norm(b + "ffn_norm")
        m.experts(b)
        m.add(b + "ffn_gate_inp_shexp.weight", D, scale=0.3)
        m.shared(b, 16)
    m.ends()
    return m


@model
def gemma():
    m = simple("gemma", tied=True, kv=1)
    m.set(**{"attention.key_length": HD, "attention.value_length": HD})
    return m


@model
def gemma2():
    # llama.cpp knows the attention scale by the layers: 26 are those of the 2B model.
    m = Model("gemma2", 26, kv=1)
    m.rope()
    m.set(**{"attention.key_length": HD, "attention.value_length": HD,
             "attention.sliding_window": WINDOW, "attn_logit_softcapping": 5.0,
             "final_logit_softcapping": 6.0})
    for b in m.blocks():
        m.norm(b + "attn_norm")
        m.attention(b)
        m.norm(b + "post_attention_norm")
        m.norm(b + "ffn_norm")
        m.gated(b, 8)
        m.norm(b + "post_ffw_norm")
    m.set(feed_forward_length=8)
    m.ends(tied=True)
    return m


@newer
def gemma3():
    m = Model("gemma3", 7)
    m.rope(base=1000000.0, **{"rope.scaling.type": "linear", "rope.scaling.factor": 8.0})
    m.set(**{"attention.key_length": HD, "attention.value_length": HD,
             "attention.sliding_window": WINDOW})
    for b in m.blocks():
        m.norm(b + "attn_norm")
        m.attention(b)
        m.norm(b + "attn_q_norm", HD)
        m.norm(b + "attn_k_norm", HD)
        m.norm(b + "post_attention_norm")
        m.norm(b + "ffn_norm")
        m.gated(b)
        m.norm(b + "post_ffw_norm")
    m.ends(tied=True)
    return m


@newer
def glm4():
    m = Model("glm4")
    m.rope(4)
    for b in m.blocks():
        m.norm(b + "attn_norm")
        for name, rows in (("q", H * HD), ("k", KV * HD), ("v", KV * HD)):
            m.linear(b + "attn_" + name, D, rows, True)
        m.linear(b + "attn_output", H * HD, D)
        m.norm(b + "post_attention_norm")
        m.norm(b + "ffn_norm")
        m.gated(b, fused=True)
        m.norm(b + "post_ffw_norm")
    m.ends()
    return m


@newer
def gpt_oss():
    m = Model("gpt-oss")
    m.rope(base=150000.0, **{"rope.scaling.type": "yarn", "rope.scaling.factor": 32.0,
                             "rope.scaling.original_context_length": 4096})
    m.set(**{"attention.key_length": HD, "attention.value_length": HD,
             "attention.sliding_window": WINDOW})
    for b in m.blocks():
        m.norm(b + "attn_norm")
        m.norm(b + "post_attention_norm")
        m.attention(b, True, False, True)
        m.add(b + "attn_sinks.weight", H, scale=0.5)
        m.experts(b, ff=32, bias=True)
    m.ends()
    return m


@newer
def smollm3():
    return simple("smollm3", tied=True, layers=4)


def qwen3_like(arch, moe):
    m = Model(arch)
    m.rope()
    m.set(**{"attention.key_length": HD, "attention.value_length": HD})
    for b in m.blocks():
        m.norm(b + "attn_norm")
        m.attention(b)
        m.norm(b + "attn_q_norm", HD)
        m.norm(b + "attn_k_norm", HD)
        m.norm(b + "ffn_norm")
        m.experts(b, ff=32) if moe else m.gated(b)
    m.ends()
    return m


@newer
def qwen3():
    return qwen3_like("qwen3", False)


@newer
def qwen3moe():
    return qwen3_like("qwen3moe", True)


def qwen35_like(arch, moe):
    m = Model(arch, 4, kv=1)
    m.rope(base=10000000.0, **{"rope.dimension_sections": [2, 1, 1, 0]})
    state, groups, rank = 64, 2, 4
    m.set(**{"attention.key_length": 32, "attention.value_length": 32, "ssm.conv_kernel": 4,
             "ssm.inner_size": state * rank, "ssm.state_size": state, "ssm.time_step_rank": rank,
             "ssm.group_count": groups, "full_attention_interval": 4})
    m.set(**{"attention.head_count": 2, "rope.dimension_count": 8})
    channels = 2 * groups * state + rank * state
    for i, b in enumerate(m.blocks()):
        m.norm(b + "attn_norm")
        m.norm(b + "post_attention_norm")
        if (i + 1) % 4:
            m.linear(b + "attn_qkv", D, channels)
            m.linear(b + "attn_gate", D, state * rank)
            m.linear(b + "ssm_conv1d", 4, channels)
            m.add(b + "ssm_dt.bias", rank, scale=0.3)
            m.add(b + "ssm_a", rank, scale=0.2, around=-1.0)
            m.linear(b + "ssm_beta", D, rank)
            m.linear(b + "ssm_alpha", D, rank)
            m.norm(b + "ssm_norm", state)
            m.linear(b + "ssm_out", state * rank, D)
        else:
            m.linear(b + "attn_q", D, 2 * 2 * 32)
            m.linear(b + "attn_k", D, 32)
            m.linear(b + "attn_v", D, 32)
            m.linear(b + "attn_output", 2 * 32, D)
            m.norm(b + "attn_q_norm", 32)
            m.norm(b + "attn_k_norm", 32)
        if moe:
            m.experts(b, ff=32)
            m.set(expert_shared_feed_forward_length=32)
            m.add(b + "ffn_gate_inp_shexp.weight", D, scale=0.3)
            m.shared(b, 32)
        else:
            m.gated(b)
    m.ends()
    return m


@newer
def qwen35():
    return qwen35_like("qwen35", False)


@newer
def qwen35moe():
    return qwen35_like("qwen35moe", True)


@newer
def seed_oss():
    m = Model("seed_oss")
    m.rope()
    for b in m.blocks():
        m.norm(b + "attn_norm")
        for name, rows in (("q", H * HD), ("k", KV * HD), ("v", KV * HD)):
            m.linear(b + "attn_" + name, D, rows, True)
        m.linear(b + "attn_output", H * HD, D)
        m.norm(b + "post_attention_norm")
        m.gated(b)
    m.ends()
    return m


@newer
def glm4moe():
    m = Model("glm4moe", 3)
    m.rope(4)
    m.set(leading_dense_block_count=1, expert_shared_count=1, expert_weights_scale=2.0,
          expert_weights_norm=True, expert_gating_func=2,
          **{"attention.key_length": HD, "attention.value_length": HD})
    for i, b in enumerate(m.blocks()):
        m.norm(b + "attn_norm")
        for name, rows in (("q", H * HD), ("k", KV * HD), ("v", KV * HD)):
            m.linear(b + "attn_" + name, D, rows, True)
        m.linear(b + "attn_output", H * HD, D)
        m.norm(b + "attn_q_norm", HD)
        m.norm(b + "attn_k_norm", HD)
        m.norm(b + "post_attention_norm")
        if i == 0:
            m.gated(b)
        else:
            m.experts(b, ff=32)
            m.add(b + "exp_probs_b.bias", 4, scale=0.1)
            m.shared(b, 32)
    m.ends()
    return m


@newer
def mistral3():
    m = simple("mistral3")
    m.set(**{"rope.scaling.type": "yarn", "rope.scaling.factor": 8.0,
             "rope.scaling.original_context_length": 16,
             "attention.temperature_scale": 0.1})
    return m


@newer
def ernie4_5():
    m = simple("ernie4_5", tied=True)
    m.set(**{"attention.key_length": HD, "attention.value_length": HD})
    return m


@newer
def gemma4():
    # Heads of 8 in sliding layers and 16 in the others, with 4 and 2 key/value heads; the last two
    # layers share keys and values.
    m = Model("gemma4", 6)
    m.rope(16, 1000000.0, **{"rope.freq_base_swa": 10000.0, "rope.dimension_count_swa": 8})
    sliding = [True, False, True, False, True, False]
    m.set(embedding_length_per_layer_input=32, feed_forward_length=[FF] * 6,
          final_logit_softcapping=15.0,
          **{"attention.key_length": 16, "attention.value_length": 16,
             "attention.key_length_swa": 8, "attention.value_length_swa": 8,
             "attention.sliding_window": WINDOW, "attention.shared_kv_layers": 2,
             "attention.sliding_window_pattern": sliding,
             "attention.head_count_kv": [4 if s else 2 for s in sliding]})
    m.add("per_layer_token_embd.weight", 32 * 6, V, scale=1.0)
    m.linear("per_layer_model_proj", D, 32 * 6)
    m.norm("per_layer_proj_norm", 32)
    m.add("rope_freqs.weight", 8, scale=0.5, around=3.0)
    for i, b in enumerate(m.blocks()):
        head, kv = (8, 4) if sliding[i] else (16, 2)
        m.norm(b + "attn_norm")
        m.linear(b + "attn_q", D, H * head)
        m.linear(b + "attn_output", H * head, D)
        m.norm(b + "attn_q_norm", head)
        if i < 4:
            m.linear(b + "attn_k", D, kv * head)
            m.norm(b + "attn_k_norm", head)
            if sliding[i]:
                m.linear(b + "attn_v", D, kv * head)
        m.norm(b + "post_attention_norm")
        m.norm(b + "ffn_norm")
        m.gated(b)
        m.norm(b + "post_ffw_norm")
        m.linear(b + "inp_gate", D, 32)
        m.linear(b + "proj", 32, D)
        m.norm(b + "post_norm")
        m.add(b + "layer_output_scale.weight", 1, scale=0.2, around=0.8)
    m.ends(tied=True)
    return m


@model
def phi2():
    m = layered("phi2", True, True, 4, parallel=True)
    m.add("output.bias", V, scale=0.3)
    return m


def phi(arch, moe):
    m = Model(arch)
    m.rope(**{"rope.scaling.original_context_length": 32, "rope.scaling.attn_factor": 1.2})
    m.set(**{"attention.sliding_window": WINDOW})
    m.add("rope_factors_long.weight", HD // 2, scale=0.5, around=3.0)
    m.add("rope_factors_short.weight", HD // 2, scale=0.1, around=1.0)
    for b in m.blocks():
        m.norm(b + "attn_norm", bias=moe)
        m.attention(b, moe, not moe, moe)
        m.norm(b + "ffn_norm", bias=moe)
        m.experts(b) if moe else m.gated(b, fused=True)
    m.ends(bias=moe, output_bias=moe)
    return m


@model
def phi3():
    return phi("phi3", False)


@model
def phimoe():
    return phi("phimoe", True)


def granite_like(arch, moe):
    m = Model(arch)
    m.rope()
    m.set(**{"embedding_scale": 2.0, "residual_scale": 0.5, "attention.scale": 0.2,
             "logit_scale": 1.25})
    for b in m.blocks():
        m.norm(b + "attn_norm")
        m.attention(b)
        m.norm(b + "ffn_norm")
        m.experts(b) if moe else m.gated(b)
    m.ends()
    return m


@model
def granite():
    return granite_like("granite", False)


@model
def granitemoe():
    return granite_like("granitemoe", True)


@model
def olmo():
    m = Model("olmo", eps="layer")
    m.rope()
    m.set(**{"attention.clamp_kqv": 1.5})
    for b in m.blocks():
        m.attention(b)
        m.gated(b)
    m.linear("output", D, V)
    return m


@model
def olmo2():
    m = Model("olmo2", kv=H)
    m.rope()
    for b in m.blocks():
        m.attention(b)
        m.norm(b + "attn_q_norm", H * HD)
        m.norm(b + "attn_k_norm", H * HD)
        m.norm(b + "post_attention_norm")
        m.gated(b)
        m.norm(b + "post_ffw_norm")
    m.ends()
    return m


@model
def olmoe():
    m = Model("olmoe", kv=H)
    m.rope()
    for b in m.blocks():
        m.norm(b + "attn_norm")
        m.attention(b)
        m.norm(b + "attn_q_norm", H * HD)
        m.norm(b + "attn_k_norm", H * HD)
        m.norm(b + "ffn_norm")
        m.experts(b)
        m.set(feed_forward_length=24)
    m.ends()
    return m


def cohere(arch, layers):
    m = Model(arch, layers, eps="layer")
    m.rope()
    m.set(logit_scale=0.75)
    for b in m.blocks():
        m.norm(b + "attn_norm")
        m.attention(b)
        m.gated(b)
    m.ends(tied=True)
    return m


@model
def command_r():
    return cohere("command-r", L)


@model
def cohere2():
    m = cohere("cohere2", 4)
    m.set(**{"attention.sliding_window": WINDOW, "attention.key_length": HD,
             "attention.value_length": HD})
    return m


@model
def starcoder2():
    return layered("starcoder2", False, True, HD)


@model
def starcoder():
    return layered("starcoder", True, True, 0, kv=1, positions=True)


@model
def falcon():
    return layered("falcon", True, False, HD, kv=1, parallel=True)


@model
def falcon_two_norms():
    m = layered("falcon", True, False, HD, parallel=True)
    for b in m.blocks():
        m.norm(b + "attn_norm_2", bias=True)
    return m


@model
def gpt2():
    return layered("gpt2", True, True, 0, kv=H, positions=True)


@model
def gptneox():
    m = layered("gptneox", True, True, 4, kv=H)
    m.set(use_parallel_residual=True)
    return m


@model
def gptneox_sequential():
    m = layered("gptneox", True, True, 4, kv=H)
    m.set(use_parallel_residual=False)
    return m


@model
def mpt():
    m = layered("mpt", True, False, 0, kv=H, norm_bias=False, tied=True)
    m.set(**{"attention.max_alibi_bias": 8.0, "attention.clamp_kqv": 1.5})
    return m


@model
def bloom():
    m = layered("bloom", True, True, 0, kv=H)
    m.norm("token_embd_norm", bias=True)
    return m


@model
def stablelm():
    m = layered("stablelm", False, False, 2, gated=True)
    m.set(use_parallel_residual=False)
    return m


@model
def stablelm_parallel():
    m = layered("stablelm", False, False, 2, gated=True, parallel=True)
    m.set(use_parallel_residual=True)
    for b in m.blocks():
        m.add(b + "attn_q_norm.weight", HD, H, scale=0.3, around=1.0)
        m.add(b + "attn_k_norm.weight", HD, KV, scale=0.3, around=1.0)
    return m


@model
def nemotron():
    return layered("nemotron", False, False, 4)


@model
def exaone():
    m = simple("exaone")
    m.add("rope_freqs.weight", HD // 2, scale=0.5, around=3.0)
    return m


@model
def minicpm():
    m = simple("minicpm", tied=True)
    m.set(embedding_scale=12.0, residual_scale=0.25, logit_scale=8.0)
    return m


@model
def internlm2():
    return simple("internlm2")


@model
def baichuan():
    # llama.cpp knows by the layers that this is the 7B model, whose positions are rotations.
    m = Model("baichuan", 32, kv=1)
    m.rope()
    m.set(feed_forward_length=8)
    for b in m.blocks():
        m.norm(b + "attn_norm")
        m.attention(b)
        m.norm(b + "ffn_norm")
        m.gated(b, 8)
    m.ends()
    return m


@model
def baichuan_13b():
    # 40 layers: biases that grow with distance.
    m = Model("baichuan", 40, kv=H)
    m.set(feed_forward_length=8)
    for b in m.blocks():
        m.norm(b + "attn_norm")
        m.attention(b)
        m.norm(b + "ffn_norm")
        m.gated(b, 8)
    m.ends()
    return m


@model
def xverse():
    return simple("xverse", kv=H)


@model
def orion():
    return layered("orion", False, False, HD, gated=True)


@model
def refact():
    return simple("refact", rope=False, kv=1)


@model
def chatglm():
    m = Model("chatglm")
    m.rope(4)
    for b in m.blocks():
        m.norm(b + "attn_norm")
        m.attention(b, True, True)
        m.norm(b + "ffn_norm")
        m.gated(b, fused=True)
    m.ends()
    return m


@model
def codeshell():
    return layered("codeshell", True, True, HD)


@model
def plamo():
    m = Model("plamo", kv=1)
    m.rope()
    for b in m.blocks():
        m.norm(b + "attn_norm")
        m.attention(b)
        m.gated(b)
    m.ends()
    return m


@model
def qwen():
    m = Model("qwen", kv=H)
    m.rope()
    for b in m.blocks():
        m.norm(b + "attn_norm")
        m.linear(b + "attn_qkv", D, 3 * D, True)
        m.linear(b + "attn_output", D, D)
        m.norm(b + "ffn_norm")
        m.gated(b, FF // 2)
    m.ends()
    return m


@model
def dbrx():
    m = Model("dbrx", eps="layer")
    m.rope()
    m.set(**{"attention.clamp_kqv": 1.5})
    for b in m.blocks():
        m.norm(b + "attn_norm")
        m.attention(b, fused=True)
        m.norm(b + "attn_output_norm")
        m.experts(b, ff=FF)
    m.ends()
    return m


def deep(arch, latent, **meta):
    m = Model(arch, 3, kv=H)
    m.rope(**meta)
    m.set(leading_dense_block_count=1, expert_shared_count=2, expert_weights_scale=1.5)
    for i, b in enumerate(m.blocks()):
        m.norm(b + "attn_norm")
        if latent:
            m.linear(b + "attn_q", D, H * 12)
            m.linear(b + "attn_kv_a_mqa", D, 16 + 4)
            m.norm(b + "attn_kv_a_norm", 16)
            m.linear(b + "attn_kv_b", 16, H * (8 + 8))
            m.linear(b + "attn_output", H * 8, D)
        else:
            m.attention(b)
        m.norm(b + "ffn_norm")
        if i == 0:
            m.gated(b)
        else:
            m.experts(b)
            m.shared(b, 48)
    m.ends()
    return m


@model
def deepseek():
    return deep("deepseek", False)


@model
def deepseek2_lite():
    # llama.cpp knows V2 Lite, which projects queries without compressing them, by its 27 layers.
    m = Model("deepseek2", 27, kv=H)
    m.rope(4, **{"rope.scaling.type": "yarn", "rope.scaling.factor": 4.0,
                 "rope.scaling.original_context_length": 16,
                 "rope.scaling.yarn_log_multiplier": 0.0707})
    m.set(leading_dense_block_count=26, expert_shared_count=2, expert_weights_scale=1.5,
          feed_forward_length=8, expert_gating_func=1,
          **{"attention.key_length": 12, "attention.value_length": 8,
             "attention.kv_lora_rank": 16})
    for i, b in enumerate(m.blocks()):
        m.norm(b + "attn_norm")
        m.linear(b + "attn_q", D, H * 12)
        m.linear(b + "attn_kv_a_mqa", D, 16 + 4)
        m.norm(b + "attn_kv_a_norm", 16)
        m.linear(b + "attn_kv_b", 16, H * (8 + 8))
        m.linear(b + "attn_output", H * 8, D)
        m.norm(b + "ffn_norm")
        if i < 26:
            m.gated(b, 8)
        else:
            m.experts(b)
            m.shared(b, 48)
    m.ends()
    return m


@model
def deepseek2():
    m = Model("deepseek2", 2, kv=H)
    m.rope(4)
    m.set(leading_dense_block_count=1, expert_shared_count=1, expert_weights_scale=2.5,
          expert_weights_norm=True, expert_gating_func=2,
          **{"attention.key_length": 12, "attention.value_length": 8,
             "attention.kv_lora_rank": 16, "attention.q_lora_rank": 24,
             "rope.scaling.yarn_log_multiplier": 0.0})
    for i, b in enumerate(m.blocks()):
        m.norm(b + "attn_norm")
        m.linear(b + "attn_q_a", D, 24)
        m.norm(b + "attn_q_a_norm", 24)
        m.linear(b + "attn_q_b", 24, H * 12)
        m.linear(b + "attn_kv_a_mqa", D, 16 + 4)
        m.norm(b + "attn_kv_a_norm", 16)
        m.linear(b + "attn_kv_b", 16, H * (8 + 8))
        m.linear(b + "attn_output", H * 8, D)
        m.norm(b + "ffn_norm")
        if i == 0:
            m.gated(b)
        else:
            m.experts(b)
            m.add(b + "exp_probs_b.bias", 4, scale=0.1)
            m.shared(b, 24)
    m.ends()
    return m


def absorb(m):
    """The same model with attn_kv_b split as converters have done since 2025; its reference is that of
    the model it was made of."""
    m.set(**{"attention.key_length_mla": 12, "attention.value_length_mla": 8,
             "attention.key_length": 16 + 4, "attention.value_length": 16,
             "attention.head_count_kv": 1})
    weights = m.weights()
    out = []
    for name, ne, w in weights:
        if name.endswith("attn_kv_b.weight"):
            w = w.reshape(H, 16, 16)
            b = name.replace("attn_kv_b.weight", "")
            out.append((b + "attn_k_b.weight", (8, 16, H), w[:, :8].transpose(0, 2, 1).ravel()))
            out.append((b + "attn_v_b.weight", (16, 8, H), w[:, 8:].ravel()))
        else:
            out.append((name, ne, w))
    return m.bytes(out)


@model
def jais():
    m = layered("jais", True, True, 0, kv=H, gated=True)
    m.set(**{"attention.max_alibi_bias": 8.0})
    return m


@model
def mamba():
    m = Model("mamba", heads=0)
    inner, state, rank = 2 * D, 8, 4
    m.set(feed_forward_length=0, **{"attention.head_count": 0, "ssm.conv_kernel": 4, "ssm.inner_size": inner,
             "ssm.state_size": state, "ssm.time_step_rank": rank})
    for b in m.blocks():
        m.norm(b + "attn_norm")
        m.linear(b + "ssm_in", D, 2 * inner)
        m.linear(b + "ssm_conv1d", 4, inner, True)
        m.linear(b + "ssm_x", inner, rank + 2 * state)
        m.linear(b + "ssm_dt", rank, inner, True)
        m.add(b + "ssm_a", state, inner, scale=0.1, around=-1.0)
        m.add(b + "ssm_d", inner, scale=0.3, around=1.0)
        m.linear(b + "ssm_out", inner, D)
    m.ends(tied=True)
    return m


def encoder(arch, positions, types, fused, gated, bias, pooling):
    m = Model(arch, kv=H, eps="layer")
    m.set(pooling_type=pooling, **{"attention.causal": False})
    if positions:
        m.add("position_embd.weight", D, CTX, scale=0.5)
    if types:
        m.add("token_types.weight", D, 2, scale=0.5)
    m.norm("token_embd_norm", bias=True)
    for b in m.blocks():
        m.attention(b, bias, fused, bias)
        m.norm(b + "attn_output_norm", bias=True)
        if gated:
            m.linear(b + "ffn_gate", D, FF)
            m.linear(b + "ffn_up", D, FF)
            m.linear(b + "ffn_down", FF, D, gated == "jina")
        else:
            m.ungated(b, bias)
        m.norm(b + "layer_output_norm", bias=True)
    return m


@model
def bert_mean():
    return encoder("bert", True, True, False, False, True, 1)


@model
def bert_cls():
    return encoder("bert", True, True, False, False, True, 2)


@model
def bert_last():
    return encoder("bert", True, True, False, False, True, 3)


@model
def nomic_bert():
    m = encoder("nomic-bert", False, True, True, "nomic", False, 1)
    m.rope(base=1000.0)
    return m


@model
def jina_bert_v2():
    return encoder("jina-bert-v2", False, True, False, "jina", True, 1)


def main():
    runner, out, names = sys.argv[1], sys.argv[2], sys.argv[3:]
    is_newer = os.environ.get("NEWER", "") != ""
    os.makedirs(out, exist_ok=True)
    for name, make in MODELS.items():
        if names and name not in names:
            continue
        if (name in NEWER) != is_newer:
            continue
        m = make()
        data = m.bytes()
        path = os.path.join(out, name + ".gguf")
        with gzip.GzipFile(path + ".gz", "wb", 9, mtime=0) as f:
            f.write(data)
        if runner == "-":
            continue
        with open(path, "wb") as f:
            f.write(data)
        logits = os.path.join(out, name + ".bin")
        embeds = "pooling_type" in m.meta
        result = subprocess.run(
            [runner, path, str(CTX), str(GREEDY), ("-" if embeds else "") + logits]
            + [str(i) for i in PROMPT], capture_output=True, text=True)
        if result.returncode:
            print("%-20s FAILED %d: %s" % (name, result.returncode, result.stderr.strip()[-300:]))
            os.remove(path)
            os.remove(path + ".gz")
            continue
        steps = [line.split() for line in result.stdout.splitlines()]
        rows = np.fromfile(logits, "<f4").reshape(-1, D if embeds else V)
        reference = {
            "reference": "ik_llama.cpp, 15 Aug 2026 (8337e4cd3861), flash attention, F16 KV" if is_newer
            else "llama.cpp, 21 Feb 2025 (c392e5094dea), F32 KV, GELU without F16 table",
            "tolerance": 4e-3 if is_newer else 1e-4,
            "n_ctx": CTX, "ids": PROMPT,
            ("embedding" if embeds else "logits"): [[float("%.7g" % v) for v in row] for row in rows],
            "greedy": [int(s[0]) for s in steps], "greedy_margin": [float(s[1]) for s in steps]}
        with open(os.path.join(out, name + ".json"), "w") as f:
            json.dump(reference, f, separators=(",", ":"))
            f.write("\n")
        os.remove(path)
        os.remove(logits)
        if name == "deepseek2":
            with gzip.GzipFile(os.path.join(out, name + "-absorbed.gguf.gz"), "wb", 9, mtime=0) as f:
                f.write(absorb(make()))
            with open(os.path.join(out, name + "-absorbed.json"), "w") as f:
                json.dump(reference, f, separators=(",", ":"))
                f.write("\n")
        print("%-20s std %.3f, %d bytes" % (name, rows.std(), os.path.getsize(path + ".gz")))


if __name__ == "__main__":
    main()
