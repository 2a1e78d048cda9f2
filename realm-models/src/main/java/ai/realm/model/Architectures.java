package ai.realm.model;

import ai.realm.compute.Backend;
import ai.realm.compute.WeightLoader;
import ai.realm.gguf.GgufFile;
import ai.realm.gguf.GgufWeights;
import java.util.Map;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Function;

/// The architectures that Realm runs, by `general.architecture` and nothing else.
public final class Architectures {
  private static final Map<String, Function<ModelReader, CausalLm>> LOADERS =
      new TreeMap<>(
          Map.ofEntries(
              Map.entry("baichuan", BaichuanModel::load),
              Map.entry("bert", BertModel::load),
              Map.entry("bloom", MptModel::loadBloom),
              Map.entry("chatglm", ChatGlmModel::load),
              Map.entry("codeshell", Starcoder2Model::load),
              Map.entry("cohere2", Cohere2Model::load),
              Map.entry("command-r", CommandRModel::load),
              Map.entry("dbrx", DbrxModel::load),
              Map.entry("deepseek", DeepSeekModel::load),
              Map.entry("deepseek2", DeepSeek2Model::load),
              Map.entry("ernie4_5", LlamaModel::load),
              Map.entry("exaone", ExaoneModel::load),
              Map.entry("falcon", FalconModel::load),
              Map.entry("gemma", GemmaModel::load),
              Map.entry("gemma2", Gemma2Model::load),
              Map.entry("gemma3", Gemma3Model::load),
              Map.entry("gemma4", Gemma4Model::load),
              Map.entry("glm4", Glm4Model::load),
              Map.entry("glm4moe", Glm4MoeModel::load),
              Map.entry("gpt-oss", GptOssModel::load),
              Map.entry("gpt2", Gpt2Model::load),
              Map.entry("gptneox", GptNeoXModel::load),
              Map.entry("granite", GraniteModel::load),
              Map.entry("granitemoe", GraniteModel::load),
              Map.entry("internlm2", LlamaModel::load),
              Map.entry("jais", JaisModel::load),
              Map.entry("jina-bert-v2", BertModel::loadJina),
              Map.entry("llama", LlamaModel::load),
              Map.entry("mamba", MambaModel::load),
              Map.entry("minicpm", GraniteModel::loadMiniCpm),
              Map.entry("mistral3", LlamaModel::load),
              Map.entry("mpt", MptModel::load),
              Map.entry("nemotron", NemotronModel::load),
              Map.entry("nomic-bert", BertModel::loadNomic),
              Map.entry("olmo", OlmoModel::load),
              Map.entry("olmo2", Olmo2Model::load),
              Map.entry("olmoe", OlmoeModel::load),
              Map.entry("orion", OrionModel::load),
              Map.entry("phi2", Phi2Model::load),
              Map.entry("phi3", Phi3Model::load),
              Map.entry("phimoe", PhiMoeModel::load),
              Map.entry("plamo", PlamoModel::load),
              Map.entry("qwen", QwenModel::load),
              Map.entry("qwen2", Qwen2Model::load),
              Map.entry("qwen2moe", Qwen2Model::loadExperts),
              Map.entry("qwen3", Qwen3Model::load),
              Map.entry("qwen35", Qwen35Model::load),
              Map.entry("qwen35moe", Qwen35Model::load),
              Map.entry("qwen3moe", Qwen3Model::load),
              Map.entry("refact", RefactModel::load),
              Map.entry("seed_oss", SeedOssModel::load),
              Map.entry("smollm3", SmolLm3Model::load),
              Map.entry("stablelm", StableLmModel::load),
              Map.entry("starcoder", Gpt2Model::load),
              Map.entry("starcoder2", Starcoder2Model::load),
              Map.entry("xverse", LlamaModel::load)));

  private Architectures() {}

  /// Names of the supported architectures, sorted.
  public static SortedSet<String> supported() {
    return new TreeSet<>(LOADERS.keySet());
  }

  /// Loads a model's weights onto a backend. The file must stay open as long as the model.
  ///
  /// @throws ai.realm.gguf.GgufFormatException when a setting or tensor is missing or malformed
  /// @throws UnsupportedModelException when Realm does not run the architecture
  public static CausalLm load(GgufFile file, Backend backend) {
    return load(file, backend, Integer.MAX_VALUE);
  }

  /// The same with at most `maxContext` positions per sequence; models with LongRoPE choose their
  /// factors by it.
  public static CausalLm load(GgufFile file, Backend backend, int maxContext) {
    String architecture = file.metadata().string("general.architecture");
    Function<ModelReader, CausalLm> loader = LOADERS.get(architecture);
    if (loader == null) {
      throw new UnsupportedModelException(
          "general.architecture: expected one of %s, found %s"
              .formatted(String.join(", ", LOADERS.keySet()), architecture));
    }
    try (WeightLoader weights = backend.weightLoader(new GgufWeights(file))) {
      ModelReader reader = new ModelReader(file, backend, weights, maxContext);
      try {
        CausalLm model = loader.apply(reader);
        weights.finish();
        return model;
      } catch (RuntimeException e) {
        reader.abandon();
        throw e;
      }
    }
  }
}
