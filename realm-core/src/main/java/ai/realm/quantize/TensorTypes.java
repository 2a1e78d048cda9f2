package ai.realm.quantize;

import ai.realm.gguf.GgufArray;
import ai.realm.gguf.GgufFile;
import ai.realm.gguf.GgufMetadata;
import ai.realm.gguf.GgufValue;
import ai.realm.gguf.TensorInfo;
import ai.realm.tensor.GgmlType;

/// Decides which type each tensor gets, as `llama_tensor_get_type` in llama-quant.cpp does (llama.cpp,
/// February 2025): output and embeddings get more bits, values and the way down of the feed-forward
/// get more in the layers where it shows. Asked for the tensors in the order of the file it makes; it
/// counts them.
final class TensorTypes {
  private static final int LAYERS_OF_70B = 80;

  private final QuantizationMix mix;
  private final boolean weighted;
  private final boolean falcon;
  private final boolean largest;
  private final int layers;
  private final int experts;
  private final int groupedQueries;
  private final boolean hasOutput;
  private final int valueTensors;
  private int values;
  private int downs;

  /// @param weighted whether there is an importance matrix
  TensorTypes(GgufFile model, QuantizationMix mix, boolean weighted) {
    this.mix = mix;
    this.weighted = weighted;
    GgufMetadata m = model.metadata();
    String architecture = m.string("general.architecture");
    this.falcon = architecture.equals("falcon");
    this.layers = m.int32(architecture + ".block_count", 0);
    this.experts = m.int32(architecture + ".expert_count", 0);
    int heads = first(m, architecture + ".attention.head_count", 0);
    int kvHeads = first(m, architecture + ".attention.head_count_kv", heads);
    this.groupedQueries = kvHeads == 0 ? 0 : heads / kvHeads;
    this.largest =
        layers == LAYERS_OF_70B
            && switch (architecture) {
              case "llama" -> experts != 8 && heads != kvHeads;
              case "deci", "qwen2" -> true;
              default -> false;
            };
    boolean output = false;
    int attention = 0;
    for (TensorInfo t : model.tensors()) {
      output |= t.name().equals("output.weight");
      if (t.name().contains("attn_v.weight")
          || t.name().contains("attn_qkv.weight")
          || t.name().contains("attn_kv_b.weight")) {
        attention++;
      }
    }
    this.hasOutput = output;
    this.valueTensors = attention;
  }

  private static int first(GgufMetadata m, String key, int absent) {
    if (m.find(key).orElse(null) instanceof GgufValue.Arr(GgufArray perLayer)) {
      return perLayer.size() == 0 || !perLayer.isIntegers() ? absent : (int) perLayer.integer(0);
    }
    return m.int32(key, absent);
  }

  /// Whether a tensor is quantized at all: matrices of weights, but no norms, gates of experts,
  /// positions or small recurrent pieces.
  static boolean isQuantized(TensorInfo t) {
    String name = t.name();
    if (!name.endsWith("weight") || t.shape().rows() == 1) {
      return false;
    }
    return !name.contains("_norm.weight")
        && !name.contains("ffn_gate_inp.weight")
        && !name.equals("position_embd.weight")
        && !name.equals("token_types.weight")
        && !name.contains("ssm_conv1d.weight")
        && !name.contains("time_mix_first.weight")
        && !name.contains("time_mix_w1.weight")
        && !name.contains("time_mix_w2.weight")
        && !name.contains("time_mix_decay_w1.weight")
        && !name.contains("time_mix_decay_w2.weight")
        && !name.contains("time_mix_lerp_fused.weight")
        && !name.contains("attn_rel_b.weight");
  }

  /// The type of the next tensor.
  GgmlType next(TensorInfo t) {
    if (!isQuantized(t)) {
      return t.type();
    }
    if (!mix.type().isQuantized()) {
      return mix.type();
    }
    return fitting(t, chosen(t));
  }

  private GgmlType chosen(TensorInfo t) {
    String name = t.name();
    if (name.equals("output.weight") || (!hasOutput && name.equals("token_embd.weight"))) {
      return output(t);
    }
    if (name.equals("token_embd.weight")) {
      return switch (mix) {
        case TQ1_0, TQ2_0 -> GgmlType.Q4_K;
        default -> mix.type();
      };
    }
    if (name.contains("attn_v.weight")) {
      return value(values++);
    }
    if (name.contains("attn_k.weight")) {
      return experts == 8 ? GgmlType.Q8_0 : mix.type();
    }
    if (name.contains("attn_q.weight")) {
      return mix.type();
    }
    if (name.contains("ffn_down")) {
      int layer = experts > 1 ? layerOf(name) : downs;
      downs++;
      return down(layer);
    }
    if (name.contains("attn_output.weight")) {
      return attentionOutput();
    }
    if (name.contains("attn_qkv.weight")) {
      return switch (mix) {
        case Q3_K_M, Q3_K_L -> GgmlType.Q4_K;
        case Q4_K_M -> GgmlType.Q5_K;
        case Q5_K_M -> GgmlType.Q6_K;
        default -> mix.type();
      };
    }
    return mix.type();
  }

  private GgmlType output(TensorInfo t) {
    if (falcon || t.shape().cols() % mix.type().blockSize() != 0) {
      return GgmlType.Q8_0;
    }
    return mix.type() == GgmlType.Q8_0 ? GgmlType.Q8_0 : GgmlType.Q6_K;
  }

  /// Values of attention, the `i`-th such tensor.
  private GgmlType value(int i) {
    if (experts == 8) {
      return GgmlType.Q8_0;
    }
    GgmlType type =
        switch (mix) {
          case Q2_K -> groupedQueries >= 4 ? GgmlType.Q4_K : GgmlType.Q3_K;
          case Q2_K_S -> groupedQueries >= 4 ? GgmlType.Q4_K : mix.type();
          case Q3_K_M -> i < 2 ? GgmlType.Q5_K : GgmlType.Q4_K;
          case Q3_K_L -> GgmlType.Q5_K;
          case IQ4_NL, IQ4_XS -> groupedQueries >= 4 ? GgmlType.Q5_K : mix.type();
          case Q4_K_M, Q5_K_M -> needsMoreBits(i, valueTensors) ? GgmlType.Q6_K : mix.type();
          case Q4_K_S -> i < 4 ? GgmlType.Q5_K : mix.type();
          default -> mix.type();
        };
    return largest && (type == GgmlType.Q3_K || type == GgmlType.Q4_K) ? GgmlType.Q5_K : type;
  }

  /// The way down of the feed-forward of a layer.
  private GgmlType down(int layer) {
    boolean more = needsMoreBits(layer, layers);
    boolean firstEighth = layer < layers / 8;
    boolean firstSixteenth = layer < layers / 16;
    return switch (mix) {
      case Q2_K -> GgmlType.Q3_K;
      case Q2_K_S -> firstEighth ? GgmlType.Q4_K : mix.type();
      case Q3_K_M ->
          firstSixteenth ? GgmlType.Q5_K : !falcon || more ? GgmlType.Q4_K : GgmlType.Q3_K;
      case Q3_K_L -> falcon ? GgmlType.Q4_K : GgmlType.Q5_K;
      case Q4_K_M -> {
        if (falcon) {
          yield firstSixteenth ? GgmlType.Q6_K : more ? GgmlType.Q5_K : GgmlType.Q4_K;
        }
        yield more ? GgmlType.Q6_K : mix.type();
      }
      case Q4_K_S -> !falcon && firstEighth ? GgmlType.Q5_K : mix.type();
      case Q5_K_M -> more ? GgmlType.Q6_K : mix.type();
      case IQ4_NL, IQ4_XS -> firstEighth && !weighted ? GgmlType.Q5_K : mix.type();
      case Q4_0 -> firstEighth && weighted ? GgmlType.Q4_1 : mix.type();
      case Q5_0 -> firstEighth && weighted ? GgmlType.Q5_1 : mix.type();
      default -> mix.type();
    };
  }

  private GgmlType attentionOutput() {
    if (falcon) {
      return mix == QuantizationMix.Q3_K_L ? GgmlType.Q4_K : mix.type();
    }
    if (experts == 8) {
      return switch (mix) {
        case Q2_K, Q3_K_S, Q3_K_M, IQ4_NL, IQ4_XS, Q4_K_S, Q4_K_M -> GgmlType.Q5_K;
        default -> mix.type();
      };
    }
    return switch (mix) {
      case Q2_K -> GgmlType.Q3_K;
      case Q3_K_M -> GgmlType.Q4_K;
      case Q3_K_L -> GgmlType.Q5_K;
      default -> mix.type();
    };
  }

  /// The first and the last eighth of the layers, and every third between.
  private static boolean needsMoreBits(int layer, int of) {
    return layer < of / 8 || layer >= 7 * of / 8 || (layer - of / 8) % 3 == 2;
  }

  private int layerOf(String name) {
    int dot = name.startsWith("blk.") ? name.indexOf('.', 4) : -1;
    try {
      int layer = dot < 0 ? -1 : Integer.parseInt(name, 4, dot, 10);
      if (layer >= 0 && layer < layers) {
        return layer;
      }
    } catch (NumberFormatException e) {
      throw new QuantizationException(
          "tensor %s: expected a name that begins with blk.LAYER., found none".formatted(name), e);
    }
    throw new QuantizationException(
        "tensor %s: expected a layer below %d in its name, found none".formatted(name, layers));
  }

  /// The type, or the nearest one with a smaller block where rows are no multiple of its own.
  private static GgmlType fitting(TensorInfo t, GgmlType type) {
    long cols = t.shape().cols();
    if (cols % type.blockSize() == 0) {
      return type;
    }
    GgmlType smaller =
        switch (type) {
          case Q2_K, Q3_K, IQ4_XS -> GgmlType.IQ4_NL;
          case TQ1_0, TQ2_0 -> GgmlType.Q4_0;
          case Q4_K -> GgmlType.Q5_0;
          case Q5_K -> GgmlType.Q5_1;
          case Q6_K -> GgmlType.Q8_0;
          default -> GgmlType.F16;
        };
    return cols % smaller.blockSize() == 0 ? smaller : GgmlType.F16;
  }
}
