/// Realms: sandboxed guest programs, the host functions that they call, their limits, and the 64-bit
/// host memory behind them.
@NullMarked
package ai.realm.runtime;

import org.jspecify.annotations.NullMarked;
