/// Chat templates: the subset of Jinja that models' own templates are written in.
@NullMarked
package ai.realm.template;

import org.jspecify.annotations.NullMarked;
