package ai.realm.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

final class TensorTest {
  private static Tensor tensor(GgmlType type, long... ne) {
    Shape shape = Shape.of(ne);
    byte[] bytes = new byte[(int) type.byteSize(shape.elements())];
    for (int i = 0; i < bytes.length; i++) {
      bytes[i] = (byte) i;
    }
    return new Tensor("t", type, shape, MemorySegment.ofArray(bytes));
  }

  @Test
  void shapesNameExtentsInnermostFirst() {
    Shape shape = Shape.of(256, 3, 2);
    assertThat(shape.cols()).isEqualTo(256);
    assertThat(shape.rows()).isEqualTo(6);
    assertThat(shape.elements()).isEqualTo(1536);
    assertThat(shape.dimensions()).isEqualTo(3);
    assertThat(shape.ne(3)).isEqualTo(1);
    assertThat(shape).hasToString("(256, 3, 2)").isEqualTo(Shape.of(256, 3, 2));
    assertThat(shape).isNotEqualTo(Shape.of(256, 6)).hasSameHashCodeAs(Shape.of(256, 3, 2));
  }

  @Test
  void shapesThatCannotBeAreRefused() {
    assertThatThrownBy(() -> Shape.of())
        .hasMessageContaining("expected 1 to 4 dimensions, found 0");
    assertThatThrownBy(() -> Shape.of(1, 1, 1, 1, 1)).hasMessageContaining("found 5");
    assertThatThrownBy(() -> Shape.of(2, 0)).hasMessageContaining("expected positive extents");
    assertThatThrownBy(() -> Shape.of(1L << 40, 1L << 40))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("expected fewer than 2^63 elements");
  }

  @Test
  void rowsAndMatricesAreViewsOfTheSameMemory() {
    Tensor t = tensor(GgmlType.Q8_0, 64, 3, 2);
    assertThat(t.rowBytes()).isEqualTo(68);
    Tensor rows = t.rows(1, 3);
    assertThat(rows.name()).isEqualTo("t[1:3]");
    assertThat(rows.shape()).isEqualTo(Shape.of(64, 2));
    assertThat(rows.data().get(ValueLayout.JAVA_BYTE, 0)).isEqualTo((byte) 68);
    Tensor second = t.matrix(1);
    assertThat(second.shape()).isEqualTo(Shape.of(64, 3));
    assertThat(second.data().get(ValueLayout.JAVA_BYTE, 0)).isEqualTo((byte) (3 * 68));
    assertThatThrownBy(() -> t.rows(5, 7)).hasMessageContaining("rows [5, 7) of (64, 3, 2)");
    assertThatThrownBy(() -> t.rows(2, 2)).isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> t.rows(-1, 2)).isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void dataMustHaveExactlyTheSizeOfTheShape() {
    MemorySegment data = MemorySegment.ofArray(new byte[67]);
    assertThatThrownBy(() -> new Tensor("t", GgmlType.Q8_0, Shape.of(64), data))
        .hasMessage("tensor t: expected 68 bytes for Q8_0 (64), found 67");
    assertThatThrownBy(() -> new Tensor("t", GgmlType.Q8_0, Shape.of(33), data))
        .hasMessageContaining("expected rows of a multiple of 32 weights for Q8_0, found (33)");
  }

  @ParameterizedTest
  @EnumSource(GgmlType.class)
  void sizesAreWholeBlocksAndNeverOverflowSilently(GgmlType type) {
    assertThat(type.byteSize(0)).isZero();
    assertThat(type.byteSize(3L * type.blockSize())).isEqualTo(3L * type.blockBytes());
    assertThat(type.isQuantized()).isEqualTo(type.blockSize() > 1);
    assertThatThrownBy(() -> type.byteSize(-type.blockSize()))
        .isInstanceOf(IllegalArgumentException.class);
    if (type.isQuantized()) {
      assertThatThrownBy(() -> type.byteSize(type.blockSize() + 1))
          .hasMessageContaining("expected a multiple of " + type.blockSize());
    }
    if (type.blockBytes() > type.blockSize()) {
      long most = Long.MAX_VALUE / type.blockSize() * type.blockSize();
      assertThatThrownBy(() -> type.byteSize(most)).isInstanceOf(ArithmeticException.class);
    }
  }

  @Test
  void everyTypeHasAnIdOfItsOwn() {
    Set<Integer> ids = new HashSet<>();
    for (GgmlType type : GgmlType.values()) {
      assertThat(ids.add(type.id())).as(type.name()).isTrue();
    }
  }
}
