import java.io.IOException;
import java.lang.management.GarbageCollectorMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;

/** The workloads in Java. */
final class Main {
    public static void main(String[] arguments) throws InterruptedException {
        var sizes = new long[] {size(arguments, 1), size(arguments, 2)};
        long[] checksum = {0};
        boolean[] known = {true};
        // On a thread of its own: the main thread's stack does not follow -Xss.
        var thread = new Thread(null, () -> {
            switch (arguments[0]) {
                case "binary-trees" -> checksum[0] = Trees.binaryTrees((int) sizes[0]);
                case "gcbench" -> checksum[0] = Trees.gcbench((int) sizes[0]);
                case "threads" -> checksum[0] = Trees.threads((int) sizes[0], (int) sizes[1]);
                case "traversal" -> checksum[0] = Trees.traversal((int) sizes[0], sizes[1]);
                case "churn" -> checksum[0] = Links.churn(sizes[0], sizes[1]);
                case "graph" -> checksum[0] = Links.graph((int) sizes[0], sizes[1]);
                case "rings" -> checksum[0] = Links.rings(sizes[0], sizes[1]);
                case "arrays" -> checksum[0] = Links.arrays((int) sizes[0], sizes[1]);
                case "latency" -> checksum[0] = Live.latency((int) sizes[0], (int) sizes[1]);
                case "mark-ordered" -> checksum[0] = Live.markOrdered((int) sizes[0]);
                default -> known[0] = false;
            }
        }, "workload", 1L << 29);
        thread.start();
        thread.join();
        if (!known[0]) {
            System.exit(3);
        }
        System.out.println("checksum " + Long.toUnsignedString(checksum[0]));
        printStats();
    }

    private static long size(String[] arguments, int index) {
        return index < arguments.length ? Long.parseLong(arguments[index]) : 0;
    }

    private static void printStats() {
        long cycles = 0;
        for (GarbageCollectorMXBean bean : ManagementFactory.getGarbageCollectorMXBeans()) {
            cycles += Math.max(0, bean.getCollectionCount());
        }
        System.out.println("cycles " + cycles);
        try {
            for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
                if (line.startsWith("VmHWM:")) {
                    System.out.println("peak_rss_kib " + line.replaceAll("[^0-9]", ""));
                }
            }
        } catch (IOException e) {
            // Another system: wait4 tells.
        }
    }

    static long mix(long checksum, long value) {
        return (Long.rotateLeft(checksum, 5) ^ value) * 0x100000001b3L;
    }

    /** Marsaglia's xorshift64. */
    static final class Random {
        private long state = 0x9e3779b97f4a7c15L;

        long below(long limit) {
            state ^= state << 13;
            state ^= state >>> 7;
            state ^= state << 17;
            return (state >>> 32) * limit >>> 32;
        }
    }
}
