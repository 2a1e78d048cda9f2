/// What code under test logs.
@NullMarked
package ai.realm.testing.log;

import org.jspecify.annotations.NullMarked;
