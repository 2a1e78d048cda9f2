package ai.realm.compute.cpu;

import ai.realm.digest.Sha256;
import ai.realm.tensor.GgmlType;
import java.io.ByteArrayOutputStream;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;

/// What a file of packed weights says about itself, in front of the panels. Little-endian; strings as a
/// length of 4 bytes and UTF-8.
///
/// | bytes | what |
/// |---|---|
/// | 8 | `REALMPAK` |
/// | 4 | version of this header, 1 |
/// | 4 | byte order of the panels: 0x01020304 as the CPU that made them stores it |
/// | 8 | bytes of the header, a multiple of [#ALIGNMENT] |
/// | 8 | bytes of the file |
/// | | layout of the panels; the model's stamps and digest ([ModelIdentity]); number of entries |
/// | | entries: name, type, type of the panels, columns, rows, offset in the tensor, offset and bytes in the file, CRC-32C of every [#BLOCK_BYTES] |
/// | | zeros |
/// | 32 | SHA-256 of all of the header before it |
///
/// @param layout what [PackedLayout] calls the panels
/// @param model what they were made of
/// @param entries the matrices, in the order of the file
record PackedHeader(String layout, ModelIdentity model, List<Entry> entries) {
  /// Panels of each matrix begin at a multiple of this: whole pages, lines and vectors.
  static final long ALIGNMENT = 4096;

  /// Bytes under one checksum.
  static final int BLOCK_BYTES = 4 << 20;

  /// Bytes before the part of variable size.
  static final int PREFIX_BYTES = 32;

  private static final byte[] MAGIC = "REALMPAK".getBytes(StandardCharsets.US_ASCII);
  private static final int VERSION = 1;
  private static final int ORDER = 0x01020304;
  private static final int DIGEST_BYTES = 32;
  private static final long MAX_HEADER_BYTES = 1 << 28;

  PackedHeader {
    entries = List.copyOf(entries);
  }

  /// One matrix.
  ///
  /// @param name the tensor's name, with its rows where it is a part of one
  /// @param type the tensor's type
  /// @param packedType the type of its panels
  /// @param cols columns
  /// @param rows rows
  /// @param source where its first row lies in the tensor of the model, in bytes
  /// @param offset where its panels lie in this file
  /// @param bytes how many bytes its panels are
  /// @param checksums CRC-32C of every block
  record Entry(
      String name,
      GgmlType type,
      GgmlType packedType,
      int cols,
      int rows,
      long source,
      long offset,
      long bytes,
      List<Integer> checksums) {
    Entry {
      checksums = List.copyOf(checksums);
    }

    /// How many blocks panels of a size have.
    static int blocks(long bytes) {
      return Math.toIntExact(Math.ceilDiv(bytes, (long) BLOCK_BYTES));
    }

    /// The same at another place.
    Entry at(long place) {
      return new Entry(name, type, packedType, cols, rows, source, place, bytes, checksums);
    }
  }

  private static long aligned(long offset) {
    return Math.ceilDiv(offset, ALIGNMENT) * ALIGNMENT;
  }

  /// The same with its entries one after the other behind the header.
  PackedHeader placed() {
    long at = encode(0).length;
    List<Entry> placed = new ArrayList<>();
    for (Entry entry : entries) {
      placed.add(entry.at(at));
      at = aligned(at + entry.bytes());
    }
    return new PackedHeader(layout, model, placed);
  }

  /// Bytes of the whole file.
  long fileBytes() {
    if (entries.isEmpty()) {
      return encode(0).length;
    }
    Entry last = entries.getLast();
    return aligned(last.offset() + last.bytes());
  }

  /// The header of a file whose entries are placed.
  byte[] encode() {
    return encode(fileBytes());
  }

  private byte[] encode(long fileBytes) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    text(out, layout);
    text(out, model.stamps());
    text(out, model.digest());
    out.writeBytes(fresh(4).putInt(entries.size()).array());
    for (Entry entry : entries) {
      text(out, entry.name());
      ByteBuffer numbers = fresh(40 + 4 * entry.checksums().size());
      numbers.putInt(entry.type().id()).putInt(entry.packedType().id());
      numbers.putInt(entry.cols()).putInt(entry.rows());
      numbers.putLong(entry.source()).putLong(entry.offset()).putLong(entry.bytes());
      entry.checksums().forEach(numbers::putInt);
      out.writeBytes(numbers.array());
    }
    int bytes = Math.toIntExact(aligned(PREFIX_BYTES + (long) out.size() + DIGEST_BYTES));
    ByteBuffer header = fresh(bytes);
    header.put(MAGIC).putInt(VERSION);
    header.order(ByteOrder.nativeOrder()).putInt(ORDER).order(ByteOrder.LITTLE_ENDIAN);
    header.putLong(bytes).putLong(fileBytes).put(out.toByteArray());
    byte[] all = header.array();
    byte[] digest = Sha256.of(all, bytes - DIGEST_BYTES);
    System.arraycopy(digest, 0, all, bytes - DIGEST_BYTES, DIGEST_BYTES);
    return all;
  }

  private static ByteBuffer fresh(int bytes) {
    return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  private static void text(ByteArrayOutputStream out, String text) {
    byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
    out.writeBytes(fresh(4).putInt(utf8.length).array());
    out.writeBytes(utf8);
  }

  /// How long the header is, from its first [#PREFIX_BYTES].
  ///
  /// @param fileBytes how long the file is
  static int length(byte[] prefix, long fileBytes) throws PackedFileException {
    ByteBuffer in = ByteBuffer.wrap(prefix).order(ByteOrder.LITTLE_ENDIAN);
    byte[] magic = new byte[MAGIC.length];
    in.get(magic);
    if (!Arrays.equals(magic, MAGIC)) {
      throw PackedFileException.expected(
          "first bytes", "REALMPAK", "0x" + HexFormat.of().formatHex(magic));
    }
    int version = in.getInt();
    if (version != VERSION) {
      throw PackedFileException.expected("version", VERSION, version);
    }
    int order = in.order(ByteOrder.nativeOrder()).getInt();
    if (order != ORDER) {
      throw PackedFileException.expected("byte order", ByteOrder.nativeOrder(), "another");
    }
    in.order(ByteOrder.LITTLE_ENDIAN);
    long header = in.getLong();
    long whole = in.getLong();
    if (whole != fileBytes) {
      throw PackedFileException.expected("size", whole + " bytes", fileBytes);
    }
    if (header < ALIGNMENT
        || header > Math.min(fileBytes, MAX_HEADER_BYTES)
        || header % ALIGNMENT != 0) {
      throw PackedFileException.expected("header", "4096 bytes or pages up to the file's", header);
    }
    return (int) header;
  }

  /// Reads a whole header.
  static PackedHeader decode(byte[] bytes, long fileBytes) throws PackedFileException {
    int body = bytes.length - DIGEST_BYTES;
    byte[] digest = Sha256.of(bytes, body);
    if (!Arrays.equals(digest, 0, DIGEST_BYTES, bytes, body, bytes.length)) {
      throw PackedFileException.expected(
          "digest of the header",
          HexFormat.of().formatHex(digest, 0, 8),
          HexFormat.of().formatHex(bytes, body, body + 8));
    }
    ByteBuffer in = ByteBuffer.wrap(bytes, 0, body).order(ByteOrder.LITTLE_ENDIAN);
    in.position(PREFIX_BYTES);
    try {
      String layout = text(in);
      ModelIdentity model = new ModelIdentity(text(in), text(in));
      int count = in.getInt();
      List<Entry> entries = new ArrayList<>();
      for (int i = 0; i < count; i++) {
        entries.add(entry(in, bytes.length, fileBytes));
      }
      return new PackedHeader(layout, model, entries);
    } catch (BufferUnderflowException | IllegalArgumentException e) {
      throw PackedFileException.expected("header", "whole fields", e);
    }
  }

  private static Entry entry(ByteBuffer in, long headerBytes, long fileBytes)
      throws PackedFileException {
    String name = text(in);
    GgmlType type = type(in.getInt());
    GgmlType packedType = type(in.getInt());
    int cols = in.getInt();
    int rows = in.getInt();
    long source = in.getLong();
    long offset = in.getLong();
    long bytes = in.getLong();
    if (offset < headerBytes
        || offset % ALIGNMENT != 0
        || bytes < 1
        || bytes > fileBytes
        || offset > fileBytes - bytes) {
      throw PackedFileException.expected(
          "panels of " + name, "pages inside the file", bytes + " bytes at " + offset);
    }
    List<Integer> checksums = new ArrayList<>();
    for (int i = Entry.blocks(bytes); i > 0; i--) {
      checksums.add(in.getInt());
    }
    return new Entry(name, type, packedType, cols, rows, source, offset, bytes, checksums);
  }

  private static GgmlType type(int id) {
    for (GgmlType type : GgmlType.values()) {
      if (type.id() == id) {
        return type;
      }
    }
    throw new IllegalArgumentException("type " + id);
  }

  private static String text(ByteBuffer in) {
    int length = in.getInt();
    if (length < 0 || length > in.remaining()) {
      throw new BufferUnderflowException();
    }
    byte[] utf8 = new byte[length];
    in.get(utf8);
    return new String(utf8, StandardCharsets.UTF_8);
  }
}
