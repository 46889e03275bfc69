/** Queue churn, graph rewiring, rings, arrays. */
final class Links {
    private static final class Item {
        final long value;
        Item next;

        Item(long value) {
            this.value = value;
        }
    }

    static long churn(long live, long operations) {
        var oldest = new Item(0);
        var newest = oldest;
        long sum = 0;
        for (long value = 1; value < live + operations; value++) {
            newest.next = new Item(value);
            newest = newest.next;
            if (value >= live) {
                sum += oldest.value;
                oldest = oldest.next;
            }
        }
        return sum;
    }

    private static final class Vertex {
        final long id;
        Vertex first;
        Vertex second;
        Vertex third;
        Vertex fourth;

        Vertex(long id) {
            this.id = id;
        }

        void set(int edge, Vertex to) {
            switch (edge) {
                case 0 -> first = to;
                case 1 -> second = to;
                case 2 -> third = to;
                default -> fourth = to;
            }
        }

        Vertex copy(long id) {
            var vertex = new Vertex(id);
            vertex.first = first;
            vertex.second = second;
            vertex.third = third;
            vertex.fourth = fourth;
            return vertex;
        }

        long sum() {
            return id + id(first) + id(second) + id(third) + id(fourth);
        }

        private static long id(Vertex vertex) {
            return vertex == null ? 0 : vertex.id;
        }
    }

    static long graph(int nodes, long stores) {
        var table = new Vertex[nodes];
        for (int id = 0; id < nodes; id++) {
            table[id] = new Vertex(id);
        }
        var random = new Main.Random();
        for (long done = 0; done < stores; done++) {
            int from = (int) random.below(nodes);
            if (done % 10 == 9) {
                table[from] = table[from].copy(table[from].id + nodes);
            } else {
                table[from].set((int) (done & 3), table[(int) random.below(nodes)]);
            }
        }
        long checksum = 0;
        for (var vertex : table) {
            checksum = Main.mix(checksum, vertex.sum());
        }
        return checksum;
    }

    private static final class Bead {
        final long value;
        Bead next;
        Bead previous;

        Bead(long value, Bead previous) {
            this.value = value;
            this.previous = previous;
        }
    }

    private static Bead ring(long length, long value) {
        var first = new Bead(value, null);
        var last = first;
        for (long i = 1; i < length; i++) {
            last.next = new Bead(value + i, last);
            last = last.next;
        }
        last.next = first;
        first.previous = last;
        return first;
    }

    static long rings(long rings, long length) {
        long sum = 0;
        for (long done = 0; done < rings; done++) {
            var first = ring(length, done);
            sum += first.value;
            for (var bead = first.next; bead != first; bead = bead.next) {
                sum += bead.value;
            }
        }
        return sum;
    }

    private record Pair(long first, long second) {}

    static long arrays(int length, long stores) {
        var array = new Pair[length];
        var random = new Main.Random();
        for (long done = 0; done < stores; done++) {
            array[(int) random.below(length)] = new Pair(done, 1);
        }
        long checksum = 0;
        for (var pair : array) {
            checksum = Main.mix(checksum, pair == null ? 0 : pair.first + pair.second);
        }
        return checksum;
    }
}
