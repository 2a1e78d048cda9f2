/// What guests send, and what guests that call every function must have sent.
@NullMarked
package ai.realm.testing.guest;

import org.jspecify.annotations.NullMarked;
