package ai.realm.example.guest;

import ai.realm.guest.sdk.Batch;
import ai.realm.guest.sdk.Call;
import ai.realm.guest.sdk.Message;
import ai.realm.guest.sdk.Model;
import ai.realm.guest.sdk.Row;
import ai.realm.guest.sdk.Sequence;
import org.teavm.interop.Export;

public final class Minimal {
  public static void main(String[] args) {}

  @Export(name = "load_model")
  public static int loadModel() {
    return Call.loadModel();
  }

  @Export(name = "unload_model")
  public static int unloadModel(int model) {
    return Call.unloadModel(model);
  }

  @Export(name = "generate")
  public static int generate(int model) {
    return Call.run(call -> answer(call, call.model(model)));
  }

  private static int answer(Call call, Model model) {
    Batch batch = call.batch(1);
    Row row = batch.row(0);
    try (Sequence sequence = model.sequence()) {
      row.feed(sequence, model.chat(Message.user(call.argument(1))));
      for (int i = 0; i < 64; i++) {
        batch.step(1);
        if (row.ended()) {
          return Call.STOPPED;
        }
        call.emit(sequence.text(row.token()));
        row.feed(sequence, row.token());
      }
    }
    return Call.LENGTH;
  }
}
