package switchyard.interop;

import com.google.gson.JsonObject;
import java.util.Arrays;

/** How long one call takes once the virtual machine has compiled it. */
final class Speed {
    /** Enough for the optimizing compiler to have been through everything, twice over. */
    private static final int WARM_UP = 400_000;
    private static final int ROUNDS = 15;
    /** Long enough for a round to bear its share of the garbage collector's work. */
    private static final int CALLS = 20_000;
    /** What the calls give is kept here, so that none can be left out. */
    private static volatile Object kept;

    private Speed() {}

    interface Call {
        Object run() throws Exception;
    }

    /** Puts down what a call takes: the best of the rounds, as the benchmark of codecs/ counts, and their median. */
    static void measure(JsonObject figures, String name, Call call) {
        try {
            round(call, WARM_UP);
            double[] rounds = new double[ROUNDS];
            for (int i = 0; i < ROUNDS; i++) {
                rounds[i] = round(call, CALLS);
            }
            Arrays.sort(rounds);
            figures.addProperty(name + "_ns", Math.round(rounds[0] * 10) / 10.0);
            figures.addProperty(name + "_median_ns", Math.round(rounds[ROUNDS / 2] * 10) / 10.0);
        } catch (Exception fault) {
            throw new IllegalStateException("what worked once does not any more", fault);
        }
    }

    private static double round(Call call, int calls) throws Exception {
        long start = System.nanoTime();
        for (int i = 0; i < calls; i++) {
            kept = call.run();
        }
        return (System.nanoTime() - start) / (double) calls;
    }
}
