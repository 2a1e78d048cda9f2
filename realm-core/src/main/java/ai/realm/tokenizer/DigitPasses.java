package ai.realm.tokenizer;

/// Passes that group digits from the right.
final class DigitPasses {
  private DigitPasses() {}

  /// Numbers in groups of three from the right. What stands before a number stays with its first
  /// group, as in llama.cpp's handler for AFMoE; the passes after it part them.
  static Pass numbersByThree() {
    return (text, from, to, ends) -> {
      int rest = from;
      int at = from;
      while (at < to) {
        int end = text.skip(at, to, CodePoints.NUMBER);
        if (end == at) {
          at++;
          continue;
        }
        int group = at + (end - at) % 3;
        if (group > at) {
          ends.add(group);
        }
        while (group < end) {
          group += 3;
          ends.add(group);
        }
        at = end;
        rest = end;
      }
      if (rest < to) {
        ends.add(to);
      }
    };
  }

  /// `(?=(\d{3})+(?!\d))`: cuts where a multiple of three ASCII digits follows to the number's end.
  static Pass beforeThreeDigits() {
    return (text, from, to, ends) -> {
      int at = from;
      while (at < to) {
        int end = at;
        while (end < to && text.codePoint[end] >= '0' && text.codePoint[end] <= '9') {
          end++;
        }
        for (int cut = at + (end - at) % 3; cut < end; cut += 3) {
          if (cut > from) {
            ends.add(cut);
          }
        }
        at = end + 1;
      }
      ends.add(to);
    };
  }
}
