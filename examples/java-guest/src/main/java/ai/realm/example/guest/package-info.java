/// A guest in Java, to start from.
@NullMarked
package ai.realm.example.guest;

import org.jspecify.annotations.NullMarked;
