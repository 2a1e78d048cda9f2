package ai.realm.runtime;

import ai.realm.compute.KvLayout;
import ai.realm.compute.KvType;
import ai.realm.digest.Sha256;
import ai.realm.engine.SavedSequence;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.security.MessageDigest;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/// A saved sequence as a file, version 1, little-endian:
///
/// ```
///   0 "REALM-KV" | 8 version | 12 bytes of this header
///  16 model (32) | 48 adapter (32) | 80 its strength, f32
///  84 layout: layers, kvHeads, keyLength, valueLength, blockSize, KV type (F32 F16 Q8_0), stateFloats
/// 112 tokens | 116 positions with keys and values | 120 bytes of tokens and blocks, i64
/// 128 SHA-256 of tenant and name | 160 SHA-256 of tokens and blocks | 192 SHA-256 of bytes 0 to 191
/// 224 tokens, i32 each; then the blocks
/// ```
/// Nothing is allocated for what a header says before it is held against the file's size and the model.
final class SequenceFile {
  static final int HEADER = 224;
  static final int HASHED = 192;
  private static final int VERSION = 1;
  private static final byte[] MAGIC = {'R', 'E', 'A', 'L', 'M', '-', 'K', 'V'};

  private SequenceFile() {}

  static void write(FileChannel to, SavedKv.Key key, SavedKv saved) throws IOException {
    SavedSequence sequence = saved.sequence();
    ByteBuffer tokens = buffer(4 * sequence.tokens().length);
    tokens.asIntBuffer().put(sequence.tokens());
    MessageDigest payload = Sha256.begin();
    payload.update(tokens.duplicate());
    for (byte[] block : sequence.blocks()) {
      payload.update(block);
    }
    KvLayout layout = sequence.layout();
    ByteBuffer header = buffer(HEADER).put(MAGIC).putInt(VERSION).putInt(HEADER);
    header.put(saved.model());
    header.putInt(layout.layers()).putInt(layout.kvHeads());
    header.putInt(layout.keyLength()).putInt(layout.valueLength());
    header.putInt(layout.blockSize()).putInt(layout.type().ordinal()).putInt(layout.stateFloats());
    header.putInt(sequence.tokens().length).putInt(sequence.cached()).putLong(sequence.bytes());
    header.put(key.digest()).put(payload.digest());
    header.put(digest(header.array(), HASHED));
    write(to, header.flip());
    write(to, tokens);
    for (byte[] block : sequence.blocks()) {
      write(to, ByteBuffer.wrap(block));
    }
  }

  private static byte[] digest(byte[] bytes, int count) {
    return Sha256.of(bytes, count);
  }

  private static ByteBuffer buffer(int bytes) {
    return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  private static void write(FileChannel to, ByteBuffer bytes) throws IOException {
    while (bytes.hasRemaining()) {
      to.write(bytes);
    }
  }

  /// @param room takes its tokens and blocks before they are read
  /// @throws SavedSequenceException when it is no such file, is damaged, or does not fit
  static SavedKv read(
      FileChannel from, SavedKv.Key key, SavedKv.Expected expected, HostMemory.Loan room)
      throws IOException {
    long size = from.size();
    require("bytes", size >= HEADER, "at least " + HEADER, size);
    ByteBuffer header = read(from, HEADER);
    byte[] raw = header.array();
    require("the begin", Arrays.equals(MAGIC, bytes(header, 8)), "REALM-KV", null);
    int version = header.getInt();
    require("the version", version == VERSION, VERSION, version);
    int length = header.getInt();
    require("the header's bytes", length == HEADER, HEADER, length);
    boolean whole = Arrays.equals(digest(raw, HASHED), Arrays.copyOfRange(raw, HASHED, HEADER));
    require("the header's digest", whole, "that of its bytes", null);
    byte[] model = bytes(header, SavedKv.MODEL_BYTES);
    KvLayout layout = layout(header);
    int tokens = header.getInt();
    int cached = header.getInt();
    long payload = header.getLong();
    boolean own = Arrays.equals(key.digest(), bytes(header, 32));
    require("the owner's digest", own, "that of this tenant and name", null);
    expected.check(model, layout);
    int context = expected.context();
    require("tokens", tokens >= 0 && tokens <= context, "0 to " + context, tokens);
    require("positions", cached >= 0 && cached <= tokens, "0 to " + tokens, cached);
    long said = SavedSequence.bytes(layout, tokens, cached);
    require("the header's bytes of tokens and blocks", payload == said, said, payload);
    require("bytes of tokens and blocks", size - HEADER == said, said, size - HEADER);
    room.take(said);
    return new SavedKv(model, sequence(from, layout, tokens, cached, bytes(header, 32)));
  }

  private static KvLayout layout(ByteBuffer header) {
    int[] fields = new int[7];
    for (int i = 0; i < fields.length; i++) {
      fields[i] = header.getInt();
    }
    KvType[] types = KvType.values();
    int type = fields[5];
    require("the KV type", type >= 0 && type < types.length, "0 to " + (types.length - 1), type);
    try {
      return new KvLayout(
          fields[0], fields[1], fields[2], fields[3], fields[4], types[type], fields[6]);
    } catch (IllegalArgumentException e) {
      throw new SavedSequenceException("SAVED_KV_INVALID", "saved sequence: " + e.getMessage(), e);
    }
  }

  private static SavedSequence sequence(
      FileChannel from, KvLayout layout, int tokens, int cached, byte[] digest) throws IOException {
    MessageDigest found = Sha256.begin();
    ByteBuffer ids = read(from, 4 * tokens);
    found.update(ids.array());
    int[] history = new int[tokens];
    ids.asIntBuffer().get(history);
    int count = SavedSequence.blocksFor(layout, cached);
    byte[][] blocks = new byte[count][];
    for (int i = 0; i < count; i++) {
      blocks[i] = read(from, Math.toIntExact(layout.blockBytes())).array();
      found.update(blocks[i]);
    }
    boolean whole = Arrays.equals(found.digest(), digest);
    require("the digest of tokens and blocks", whole, "that of its bytes", null);
    return new SavedSequence(layout, history, cached, blocks);
  }

  private static ByteBuffer read(FileChannel from, int count) throws IOException {
    ByteBuffer bytes = buffer(count);
    while (bytes.hasRemaining()) {
      if (from.read(bytes) < 0) {
        require("bytes", false, count + " more", bytes.position());
      }
    }
    return bytes.flip();
  }

  private static byte[] bytes(ByteBuffer from, int count) {
    byte[] bytes = new byte[count];
    from.get(bytes);
    return bytes;
  }

  private static void require(String what, boolean holds, Object expected, @Nullable Object found) {
    if (!holds) {
      throw new SavedSequenceException(
          "SAVED_KV_INVALID",
          "saved sequence: expected %s to be %s, found %s"
              .formatted(what, expected, found == null ? "something else" : found));
    }
  }
}
