package ai.realm.cli;

import java.util.List;

/// A loaded model that a guest generates with. One request at a time.
interface Session extends AutoCloseable {
  /// What computes, in a few words, such as `vector (AVX-512, 4 threads)`.
  String backend();

  /// How many tokens the model knows: their ids are those below.
  int vocabularySize();

  /// Sentences that the user must see once, such as why it runs on a fallback backend.
  List<String> notices();

  /// Generates and hands over the text piece by piece, in whole characters.
  ///
  /// @return what it took; after [#cancel] with the finish reason `CANCELLED`
  Generation generate(GenerationRequest request, AnswerOutput output);

  /// Ends the running generation within one step; may be called by any thread.
  void cancel();

  @Override
  void close();
}
