package ai.realm.runtime;

import java.lang.classfile.ClassFile;
import java.lang.classfile.CodeBuilder;
import java.lang.classfile.Label;
import java.lang.constant.ClassDesc;
import java.lang.constant.ConstantDescs;
import java.lang.constant.MethodTypeDesc;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.util.Collections;

/// Makes sure that there is stack for the host before a guest's call reaches it: a `StackOverflowError` in the
/// middle of the host's code would leave half done what it was at, for every tenant. Java has no way to ask
/// how much is left; what can be done is to use it once: a method is called to a depth that takes so much, and
/// where it does not fit the error comes from there, where nothing is torn.
///
/// The method has many parameters, because those are on the stack whatever compiles it: 1 KiB a level in the
/// interpreter and in both compilers, 64 KiB in 0.7 microseconds (of small frames 3.7).
final class HostStack {
  /// For what a guest's memory does in the middle of its code.
  static final int MEMORY_BYTES = 12 << 10;

  /// For a host function. In the interpreter, each class of it loaded there for the first time, 25 KiB were needed.
  static final int CALL_BYTES = 48 << 10;

  /// For those that read nested texts, up to 42 KiB deep in the interpreter, and for tools, which are the
  /// embedding program's.
  static final int DEEP_BYTES = 160 << 10;

  /// Of `long` parameters that nobody looks at.
  private static final int PARAMETERS = 60;

  /// What a level takes at least; `HostStackTest` measures it.
  private static final int LEVEL_BYTES = 1000;

  private static final MethodHandle DESCEND = descend();

  private HostStack() {}

  /// Stack of a thread of which a guest may use `guestBytes` and still call the host.
  static long beside(long guestBytes) {
    return guestBytes + DEEP_BYTES;
  }

  /// What a guest is told whose stack is used up.
  static GuestTrapException exhausted(Throwable cause) {
    return new GuestTrapException("GUEST_TRAP", "guest: its calls nest too deep", cause);
  }

  /// Returns where so many bytes of this thread's stack are left.
  ///
  /// @throws StackOverflowError where they are not
  static void require(int bytes) {
    try {
      int depth = (int) DESCEND.invokeExact(bytes / LEVEL_BYTES + 1);
      assert depth > 0;
    } catch (Error e) {
      throw e;
    } catch (Throwable e) {
      throw new IllegalStateException(e);
    }
  }

  /// `int enter(int levels)`, which calls `int descend(int levels, long...)`, which calls itself.
  private static MethodHandle descend() {
    ClassDesc name = ClassDesc.of(HostStack.class.getPackageName(), "StackLevels");
    MethodTypeDesc enter = MethodTypeDesc.of(ConstantDescs.CD_int, ConstantDescs.CD_int);
    MethodTypeDesc descend =
        enter.insertParameterTypes(
            1, Collections.nCopies(PARAMETERS, ConstantDescs.CD_long).toArray(ClassDesc[]::new));
    byte[] bytes =
        ClassFile.of()
            .build(
                name,
                type -> {
                  type.withMethodBody(
                      "enter",
                      enter,
                      ClassFile.ACC_STATIC,
                      code -> call(code.iload(0), name, descend).ireturn());
                  type.withMethodBody(
                      "descend",
                      descend,
                      ClassFile.ACC_STATIC,
                      code -> {
                        Label end = code.newLabel();
                        code.iload(0).ifle(end).iload(0).iconst_1().isub();
                        call(code, name, descend).iconst_1().iadd().ireturn();
                        code.labelBinding(end).iconst_1().ireturn();
                      });
                });
    try {
      MethodHandles.Lookup made = MethodHandles.lookup().defineHiddenClass(bytes, true);
      return made.findStatic(
          made.lookupClass(), "enter", MethodType.methodType(int.class, int.class));
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException(e);
    }
  }

  private static CodeBuilder call(CodeBuilder code, ClassDesc owner, MethodTypeDesc descend) {
    for (int i = 0; i < PARAMETERS; i++) {
      code.loadConstant(-1L);
    }
    return code.invokestatic(owner, "descend", descend);
  }
}
