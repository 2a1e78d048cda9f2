package ai.realm.tokenizer;

import java.util.List;

/// Texts by which published models' special tokens are known when the file does not name their ids:
/// a role goes to the first text that the vocabulary has. The lists are those of llama.cpp.
final class SpecialTexts {
  static final List<String> END_OF_TURN =
      List.of(
          "<|eot_id|>",
          "<|im_end|>",
          "<|end|>",
          "<end_of_turn>",
          "<|endoftext|>",
          "<|end_of_text|>",
          "<EOT>",
          "_<EOT>",
          "[EOT]",
          "<｜end▁of▁sentence｜>",
          "<end_of_utterance>");

  static final List<String> END_OF_MESSAGE = List.of("<|eom_id|>");

  static final List<String> FIM_PREFIX =
      List.of(
          "<|fim_prefix|>",
          "<fim-prefix>",
          "<fim_prefix>",
          "<｜fim▁begin｜>",
          "<PRE>",
          "▁<PRE>",
          "<|code_prefix|>",
          "<|prefix|>");

  static final List<String> FIM_SUFFIX =
      List.of(
          "<|fim_suffix|>",
          "<fim-suffix>",
          "<fim_suffix>",
          "<｜fim▁hole｜>",
          "<SUF>",
          "▁<SUF>",
          "<|code_suffix|>",
          "<|suffix|>");

  static final List<String> FIM_MIDDLE =
      List.of(
          "<|fim_middle|>",
          "<fim-middle>",
          "<fim_middle>",
          "<｜fim▁end｜>",
          "<MID>",
          "▁<MID>",
          "<|code_middle|>",
          "<|middle|>");

  static final List<String> FIM_PADDING =
      List.of("<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]");

  static final List<String> FIM_REPOSITORY =
      List.of("<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>");

  static final List<String> FIM_SEPARATOR = List.of("<|file_sep|>");

  static final List<String> END_OF_GENERATION =
      List.of(
          "<|eot_id|>",
          "<|im_end|>",
          "<|end|>",
          "<|return|>",
          "<|call|>",
          "<|flush|>",
          "<|calls|>",
          "<end_of_turn>",
          "<|endoftext|>",
          "<|eom_id|>",
          "<EOT>",
          "_<EOT>",
          "[EOT]",
          "[EOS]",
          "<|end_of_text|>",
          "<end_of_utterance>",
          "<eos>",
          "<turn|>",
          "<|tool_response>",
          "<｜end▁of▁sentence｜>");

  /// The marks between the channels of gpt-oss, part of its answers.
  static final List<String> CHANNEL_MARKS =
      List.of("<|channel|>", "<|message|>", "<|start|>", "<|constrain|>");

  private SpecialTexts() {}
}
