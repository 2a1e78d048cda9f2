/// The `realm` command: one class per subcommand.
@NullMarked
package ai.realm.cli;

import org.jspecify.annotations.NullMarked;
