package ai.realm.testing.template;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.gguf.GgufFile;
import ai.realm.template.ChatMessage;
import ai.realm.template.ChatTemplate;
import ai.realm.template.TemplateException;
import ai.realm.testing.sample.SampleModel;
import ai.realm.testing.sample.SampleReference;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(120)
final class ChatTemplateTest {
  private static String render(String source) {
    Map<String, Object> function = new LinkedHashMap<>();
    function.put("name", "f");
    function.put("args", Map.of("x", 1.5));
    Map<String, Object> variables = new HashMap<>();
    variables.put("xs", List.of(3, 1, 2));
    variables.put("f", function);
    variables.put("name", "Zoë");
    variables.put("nothing", null);
    return ChatTemplate.compile(source).render(variables);
  }

  @Test
  void rendersTheSampleModelsTemplateAsTheReference() {
    try (GgufFile file = GgufFile.open(SampleModel.path())) {
      ChatTemplate template =
          ChatTemplate.compile(file.metadata().string("tokenizer.chat_template"));
      for (SampleReference.Case c : SampleModel.reference().cases()) {
        if (c.chat()) {
          List<ChatMessage> messages =
              c.messages().stream().map(m -> new ChatMessage(m.role(), m.content())).toList();
          assertThat(template.render(messages, true, "<s>", "</s>")).isEqualTo(c.text());
        }
      }
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "`{{ 1 + 2 * 3 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }}`|`7 3 -4 2 3.5`",
        "`{{ 2 ** 10 }} {{ 1e3 }} {{ 1e16 }} {{ 0.00001 }}`|`1024 1000.0 1e+16 1e-05`",
        "`{{ 'a' ~ 1 ~ none ~ true }}`|`a1NoneTrue`",
        "`{{ xs | sort | join(', ') }} {{ xs | max }} {{ xs[-1] }} {{ xs[1:] }}`|`1, 2, 3 3 2 [1, 2]`",
        "`{% for x in xs if x > 1 %}{{ loop.index }}:{{ x }}{{ ',' if not loop.last }}{% endfor %}`|`1:3,2:2`",
        "`{% for x in xs %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}`|`32`",
        "`{% for x in [] %}a{% else %}empty{% endfor %}`|`empty`",
        "`{% set n = namespace(c=0) %}{% for x in xs %}{% set n.c = n.c + x %}{% endfor %}{{ n.c }}`|`6`",
        "`{% set c = 0 %}{% for x in xs %}{% set c = c + x %}{% endfor %}{{ c }}`|`0`",
        "`{% macro m(a, b='!') %}<{{ a }}{{ b }}>{% endmacro %}{{ m('x') }}{{ m('y', b='?') }}`|`<x!><y?>`",
        "`{% macro m() %}[{{ caller() }}]{% endmacro %}{% call m() %}in{% endcall %}`|`[in]`",
        "`{{ f | tojson }}`|`{\"name\": \"f\", \"args\": {\"x\": 1.5}}`",
        "`{{ f.name }} {{ f['args'].x }} {{ f.get('no', 'd') }} {{ f.missing is defined }}`|`f 1.5 d False`",
        "`{% for k, v in f.items() %}{{ k }};{% endfor %}`|`name;args;`",
        "`{{ name.upper() }} {{ 'a,b'.split(',') }} {{ ' x '.strip() }}.`|`ZOË ['a', 'b'] x.`",
        "`{{ 'yes' if nothing is none else 'no' }} {{ undefinedname }}.`|`yes .`",
        "`{{ 1 < 2 < 3 }} {{ 'b' in 'abc' }} {{ 2 not in xs }}`|`True True False`",
        "`{% set t %}a{{ 1 }}{% endset %}{{ t | upper }}`|`A1`",
        "`{% filter upper %}x{% endfilter %}{# gone #}{% raw %}{{ y }}{% endraw %}`|`X{{ y }}`",
        "`{{ xs | map('string') | list }} {{ [1, none] | select | list }}`|`['3', '1', '2'] [1]`",
        "`{{ '%s-%03d' | format('a', 7) }} {{ '{} {x}'.format(1, x=2) }}`|`a-007 1 2`",
        "`{{ [{'a': 1}, {'a': 2}] | selectattr('a', 'gt', 1) | map(attribute='a') | first }}`|`2`",
      })
  void rendersAsJinja2(String source, String expected) {
    assertThat(render(source)).isEqualTo(expected);
  }

  @Test
  void trimsAroundBlocksAsTransformersDoes() {
    assertThat(render("a\n  {% if true %}\n  b\n  {% endif %}\nc\n")).isEqualTo("a\n  b\nc");
    assertThat(render("a {%- if true -%} b {%- endif %} c")).isEqualTo("ab c");
    assertThat(render("a\n  {%+ if true %}b{% endif +%}\nc")).isEqualTo("a\n  b\nc");
    assertThat(render("a {{- ' b ' -}} c")).isEqualTo("a b c");
  }

  @Test
  void carriesTheTemplatesOwnRefusal() {
    assertThatThrownBy(() -> render("{{ raise_exception('No system role') }}"))
        .isInstanceOf(TemplateException.class)
        .hasMessage("No system role");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{{ 'a' * 1000000000 }}",
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{{ range(1000000000) }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% set ns = namespace(s='ab') %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
        "{% for i in range(99999) %}{{ 'abcdefgh' * 1000 }}{% endfor %}",
        "{{ 'x' | center(1000000000) }}",
        "{{ [1] * 1000000000 }}",
      })
  void stopsATemplateThatWouldUseUpTheMachine(String source) {
    assertThatThrownBy(() -> render(source))
        .isInstanceOfSatisfying(
            TemplateException.class, e -> assertThat(e.code()).isEqualTo("TEMPLATE_LIMIT"));
  }

  @Test
  void stopsDeepNestingInTheParser() {
    for (String source :
        List.of(
            "{{ " + "(".repeat(6000) + "1" + ")".repeat(6000) + " }}",
            "{{ " + "[".repeat(6000) + "]".repeat(6000) + " }}",
            "{{ " + "-".repeat(6000) + "1 }}",
            "{% if true %}".repeat(6000) + "{% endif %}".repeat(6000))) {
      assertThatThrownBy(() -> render(source))
          .isInstanceOfSatisfying(
              TemplateException.class, e -> assertThat(e.code()).isEqualTo("TEMPLATE_LIMIT"));
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{{ ''.__class__.__mro__ }}",
        "{{ xs.append(1) }}",
        "{{ f.update(f) }}",
        "{{ '{0.__class__}'.format(1) }}",
        "{{ f.missing.more }}",
        "{{ 1 + 'a' }}",
        "{{ 1 / 0 }}",
        "{% include 'x' %}",
        "{% if %}{% endif %}",
        "{{ x",
        "{% for x in xs %}",
        "{{ 1 | nosuchfilter }}",
        "{{ 1 is nosuchtest }}",
        "{% break %}",
      })
  void refusesWithATypedError(String source) {
    assertThatThrownBy(() -> render(source)).isInstanceOf(TemplateException.class);
  }

  @Test
  void namesTheLineOfASyntaxError() {
    assertThatThrownBy(() -> render("a\nb\n{% nosuch %}"))
        .isInstanceOf(TemplateException.class)
        .hasMessageContaining("line 3")
        .hasMessageContaining("nosuch");
  }
}
