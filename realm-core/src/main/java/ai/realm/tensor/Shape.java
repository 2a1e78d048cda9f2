package ai.realm.tensor;

import java.util.Arrays;

/// Extents of a tensor, innermost first as GGUF has them: `ne(0)` is the length of a row, `ne(1)` the
/// number of rows, `ne(2)` the number of matrices (experts). Absent dimensions are 1.
public final class Shape {
  /// The greatest number of dimensions that GGUF allows.
  public static final int MAX_DIMENSIONS = 4;

  private final long[] ne;

  private Shape(long[] ne) {
    this.ne = ne;
  }

  /// A shape of 1 to 4 positive extents whose product fits a long.
  ///
  /// @throws IllegalArgumentException otherwise
  public static Shape of(long... ne) {
    if (ne.length < 1 || ne.length > MAX_DIMENSIONS) {
      throw new IllegalArgumentException("expected 1 to 4 dimensions, found " + ne.length);
    }
    long product = 1;
    for (long n : ne) {
      if (n <= 0) {
        throw new IllegalArgumentException(
            "expected positive extents, found " + Arrays.toString(ne));
      }
      try {
        product = Math.multiplyExact(product, n);
      } catch (ArithmeticException e) {
        throw new IllegalArgumentException(
            "expected fewer than 2^63 elements, found " + Arrays.toString(ne), e);
      }
    }
    return new Shape(ne.clone());
  }

  /// Number of dimensions as the file states it, 1 to 4.
  public int dimensions() {
    return ne.length;
  }

  /// Extent of dimension `i`, innermost first; 1 where the file has none.
  public long ne(int i) {
    return i < ne.length ? ne[i] : 1;
  }

  /// Length of a row, `ne(0)`.
  public long cols() {
    return ne[0];
  }

  /// Number of rows: the product of all extents but the first.
  public long rows() {
    return elements() / ne[0];
  }

  /// Product of all extents.
  public long elements() {
    long product = 1;
    for (long n : ne) {
      product *= n;
    }
    return product;
  }

  @Override
  public boolean equals(Object o) {
    return o instanceof Shape other && Arrays.equals(ne, other.ne);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(ne);
  }

  @Override
  public String toString() {
    StringBuilder s = new StringBuilder("(");
    for (int i = 0; i < ne.length; i++) {
      s.append(i == 0 ? "" : ", ").append(ne[i]);
    }
    return s.append(')').toString();
  }
}
