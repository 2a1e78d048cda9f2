/// A flat JSON object of a call's configuration: numbers, flags, texts, and lists of texts by their keys. What
/// is malformed reads as absent.
export class Config {
  private at: i32 = 0;

  constructor(private json: string) {}

  number(key: string, absent: f64): f64 {
    if (!this.find(key)) return absent;
    const from = this.at;
    while (this.at < this.json.length && "+-.0123456789eE".includes(this.json.charAt(this.at))) this.at++;
    return from == this.at ? absent : parseFloat(this.json.substring(from, this.at));
  }

  integer(key: string, absent: i32): i32 {
    return <i32>this.number(key, <f64>absent);
  }

  flag(key: string, absent: bool): bool {
    if (!this.find(key)) return absent;
    return this.json.startsWith("true", this.at) || (absent && !this.json.startsWith("false", this.at));
  }

  text(key: string, absent: string): string {
    return this.find(key) && this.peek() == 0x22 ? this.readText() : absent;
  }

  texts(key: string): string[] {
    const all: string[] = [];
    if (!this.find(key) || this.peek() != 0x5b) return all;
    this.at++;
    while (this.peek() == 0x22) {
      all.push(this.readText());
      if (this.peek() == 0x2c) this.at++;
    }
    return all;
  }

  /// Moves to the value of a key of the outer object; what stands in texts or in inner values is passed by.
  private find(key: string): bool {
    this.at = 0;
    let depth = 0;
    while (this.at < this.json.length) {
      const c = this.peek();
      if (c == 0x22) {
        const text = this.readText();
        if (depth == 1 && text == key && this.peek() == 0x3a) {
          this.at++;
          this.peek();
          return true;
        }
        continue;
      }
      if (c == 0x7b || c == 0x5b) depth++;
      if (c == 0x7d || c == 0x5d) depth--;
      this.at++;
    }
    return false;
  }

  /// The next character that is not space, or 0.
  private peek(): i32 {
    while (this.at < this.json.length && this.json.charCodeAt(this.at) <= 0x20) this.at++;
    return this.at < this.json.length ? this.json.charCodeAt(this.at) : 0;
  }

  private readText(): string {
    let out = "";
    this.at++;
    while (this.at < this.json.length) {
      const c = this.json.charCodeAt(this.at++);
      if (c == 0x22) break;
      out += c == 0x5c ? this.escaped() : String.fromCharCode(c);
    }
    return out;
  }

  private escaped(): string {
    const c = this.at < this.json.length ? this.json.charCodeAt(this.at++) : 0;
    switch (c) {
      case 0x6e: return "\n";
      case 0x74: return "\t";
      case 0x72: return "\r";
      case 0x62: return "\b";
      case 0x66: return "\f";
      case 0x75: {
        const digits = this.json.substr(this.at, 4);
        this.at += 4;
        return String.fromCharCode(<i32>parseInt(digits, 16));
      }
      default: return String.fromCharCode(c);
    }
  }
}
