import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.StringJoiner;
import org.tensorflow.Result;
import org.tensorflow.SavedModelBundle;
import org.tensorflow.Tensor;
import org.tensorflow.ndarray.NdArray;
import org.tensorflow.ndarray.NdArrays;
import org.tensorflow.ndarray.Shape;
import org.tensorflow.ndarray.buffer.DataBuffers;
import org.tensorflow.types.TFloat32;
import org.tensorflow.types.TInt32;
import org.tensorflow.types.TString;
import org.tensorflow.types.TUint8;

/** Asks a SavedModel for one row: Ask MODEL SIGNATURE NAME TYPE SHAPE FILE [NAME TYPE SHAPE FILE ...] */
public class Ask {
  public static void main(String[] arguments) throws Exception {
    try (SavedModelBundle model = SavedModelBundle.load(arguments[0], "serve")) {
      Map<String, Tensor> inputs = new HashMap<>();
      for (int i = 2; i < arguments.length; i += 4) {
        byte[] content = Files.readAllBytes(Path.of(arguments[i + 3]));
        inputs.put(arguments[i], tensor(arguments[i + 1], shape(arguments[i + 2]), content));
      }
      StringJoiner answer = new StringJoiner(",", "{", "}");
      try (Result outputs = model.function(arguments[1]).call(inputs)) {
        for (Map.Entry<String, Tensor> output : outputs) {
          if (output.getValue() instanceof TFloat32 numbers) {
            StringJoiner values = new StringJoiner(",", "\"" + output.getKey() + "\":[", "]");
            numbers.scalars().forEach(number -> values.add(Float.toString(number.getFloat())));
            answer.add(values.toString());
          }
        }
      }
      System.out.println(answer);
    }
  }

  /** Numbers are little-endian; a string is the whole content. */
  static Tensor tensor(String type, Shape shape, byte[] content) {
    ByteBuffer bytes = ByteBuffer.wrap(content).order(ByteOrder.LITTLE_ENDIAN);
    switch (type) {
      case "string":
        NdArray<byte[]> one = NdArrays.vectorOfObjects(content);
        return TString.tensorOfBytes(one);
      case "uint8":
        return TUint8.tensorOf(shape, DataBuffers.of(content));
      case "int32":
        int[] whole = new int[content.length / 4];
        bytes.asIntBuffer().get(whole);
        return TInt32.tensorOf(shape, DataBuffers.of(whole));
      case "float32":
        float[] real = new float[content.length / 4];
        bytes.asFloatBuffer().get(real);
        return TFloat32.tensorOf(shape, DataBuffers.of(real));
      default:
        throw new IllegalArgumentException("Expected string, uint8, int32 or float32: " + type);
    }
  }

  /** Sizes between commas. */
  static Shape shape(String text) {
    String[] parts = text.split(",");
    long[] sizes = new long[parts.length];
    for (int i = 0; i < parts.length; i++) {
      sizes[i] = Long.parseLong(parts[i]);
    }
    return Shape.of(sizes);
  }
}
