package ai.realm.tokenizer;

import java.util.Arrays;

/// What llama.cpp's detokenizer does for models that want "clean" spaces: drops the space before
/// `? ! . ,`, the spaces around a lone apostrophe, and the space before `'s 'm 're 've`.
final class SpaceCleaner {
  private SpaceCleaner() {}

  static byte[] clean(byte[] text) {
    return beforeContractions(aroundApostrophes(beforePunctuation(text)));
  }

  private static byte[] beforePunctuation(byte[] in) {
    byte[] out = new byte[in.length];
    int n = 0;
    for (int i = 0; i < in.length; i++) {
      byte b = in[i];
      if (i > 0 && in[i - 1] == ' ' && (b == '?' || b == '!' || b == '.' || b == ',')) {
        n--;
      }
      out[n++] = b;
    }
    return Arrays.copyOf(out, n);
  }

  /// Changes `in`.
  private static byte[] aroundApostrophes(byte[] in) {
    byte[] out = new byte[in.length];
    int n = 0;
    for (int i = 0; i < in.length; i++) {
      byte b = in[i];
      boolean lone =
          b == '\'' && i > 0 && i + 1 < in.length && in[i - 1] == ' ' && in[i + 1] == ' ';
      if (lone) {
        n--;
        i++;
        in[i] = 0; // the space is spent: it frees no second apostrophe
      }
      out[n++] = b;
    }
    return Arrays.copyOf(out, n);
  }

  private static byte[] beforeContractions(byte[] in) {
    byte[] out = new byte[in.length];
    int n = 0;
    for (int i = 0; i < in.length; i++) {
      if (i > 0 && in[i - 1] == ' ' && in[i] == '\'' && isContraction(in, i + 1)) {
        n--;
      }
      out[n++] = in[i];
    }
    return Arrays.copyOf(out, n);
  }

  private static boolean isContraction(byte[] in, int at) {
    if (at >= in.length) {
      return false;
    }
    return in[at] == 's'
        || in[at] == 'm'
        || (at + 1 < in.length && (in[at] == 'r' || in[at] == 'v') && in[at + 1] == 'e');
  }
}
